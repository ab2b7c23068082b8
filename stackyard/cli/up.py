"""`stackyard up`: start the cloud in the background, or bring it back, and say when it answers."""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stackyard.cli.operator import CommandFailed, NotRunning, ask

PATIENCE = 120
CHOICES = ("host", "port", "public_url", "region", "engine", "external_cidr", "database")


def run(asked: argparse.Namespace) -> int:
    """Start the server unless it runs; returns once the cloud is ready."""
    if os.geteuid() != 0:
        raise CommandFailed("containers and networks need root: run it as root")
    _settle(asked)
    try:
        status = ask(asked.state, "status")
        print(f"the cloud runs already: {status['base_url']} (pid {status['pid']})")
        return 0 if status["phase"] == "ready" else _follow(asked.state, None, time.monotonic())
    except NotRunning:
        pass
    began = time.monotonic()
    return _follow(asked.state, _spawn(asked.state), began)


def _settle(asked: argparse.Namespace) -> None:
    """Record the settings at the first start; refuse other choices later."""
    from stackyard.kernel.settings import Settings, load, save

    given = {name: getattr(asked, name) for name in CHOICES if getattr(asked, name) is not None}
    known = load(asked.state.absolute())
    if known is None:
        save(Settings(state_dir=asked.state.absolute(), **given))
        return
    for name, value in given.items():
        if getattr(known, name) != value:
            raise CommandFailed(
                f"--{name.replace('_', '-')} was chosen as {getattr(known, name)!r} at the first start and cannot be "
                f"changed; `stackyard down --purge` removes the cloud"
            )


def _spawn(state: Path) -> subprocess.Popen[bytes]:
    logs = state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    with (logs / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stackyard.cli.main", "serve", "--state", str(state.absolute())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip


def _follow(state: Path, server: subprocess.Popen[bytes] | None, began: float) -> int:
    """Show the phases as they come, and the moment of the first authenticated answer."""
    phase, answered = "", False
    while time.monotonic() - began < PATIENCE:
        if server is not None and server.poll() is not None:
            raise CommandFailed(f"the server ended while starting:\n{_tail(state)}")
        status = _status(state)
        if status and status["phase"] != phase:
            phase = status["phase"]
            print(f"  {time.monotonic() - began:5.2f} s  {phase}", flush=True)
        if status and not answered and (moment := _authenticated(state, status["base_url"])):
            answered = True
            print(f"  {moment - began:5.2f} s  first authenticated answer from {status['base_url']}", flush=True)
        if status and phase == "in trouble":
            raise CommandFailed("; ".join(status["warnings"]) + f"\nThe log: {state / 'logs' / 'server.log'}")
        if status and phase == "ready" and answered:
            print(
                f"the cloud is ready: {status['base_url']}   credentials: {state / 'clouds.yaml'}, {state / 'openrc'}"
            )
            return 0
        time.sleep(0.02)
    raise CommandFailed(f"the cloud is not ready after {PATIENCE} seconds ({phase or 'no answer'}):\n{_tail(state)}")


def _status(state: Path) -> dict[str, Any] | None:
    try:
        return dict(ask(state, "status", timeout=5))
    except NotRunning:
        return None


def _authenticated(state: Path, base_url: str) -> float | None:
    """The moment at which a request with a fresh token was answered, or None when that is not possible yet."""
    try:
        known = dict(
            line.removeprefix("export ").split("=", 1)
            for line in (state / "openrc").read_text().splitlines()
            if "=" in line
        )
    except FileNotFoundError:
        return None
    value: Callable[[str], str] = lambda name: known.get(name, "").strip("'\"")  # noqa: E731
    user = {"name": value("OS_USERNAME"), "domain": {"name": "Default"}, "password": value("OS_PASSWORD")}
    scope = {"project": {"name": value("OS_PROJECT_NAME"), "domain": {"name": "Default"}}}
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("POST", "/identity/v3/auth/tokens", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        token = answer.getheader("X-Subject-Token")
        if answer.status != 201 or not token:
            return None
        connection.request("GET", "/identity/v3/auth/projects", headers={"X-Auth-Token": token})
        return time.monotonic() if connection.getresponse().status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


def _tail(state: Path, lines: int = 5) -> str:
    try:
        return "\n".join((state / "logs" / "server.log").read_text().splitlines()[-lines:])
    except FileNotFoundError:
        return "it wrote no log"
