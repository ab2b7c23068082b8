"""`stackyard up`: start the cloud in the background, or bring it back, and say when it answers."""

import argparse
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackyard.cli import unit
from stackyard.cli.choices import settle
from stackyard.cli.operator import CommandFailed, NotRunning, ask
from stackyard.kernel.settings import Settings, load

PATIENCE = 120


def run(asked: argparse.Namespace) -> int:
    """Start the server unless it runs; returns once the cloud is ready."""
    if os.geteuid() != 0:
        _refuse_what_needs_root(asked)
    settings = settle(asked)
    if asked.install_unit:
        print(f"systemd starts the cloud when the host does: {unit.install(unit.of_cloud(settings))}")
    try:
        status = ask(asked.state, "status")
        print(f"the cloud runs already: {status['base_url']} (pid {status['pid']})")
        return 0 if status["phase"] == "ready" else _follow(settings, None, time.monotonic())
    except NotRunning:
        pass
    began = time.monotonic()
    return _follow(settings, _spawn(asked.state), began)


def _refuse_what_needs_root(asked: argparse.Namespace) -> None:
    # Imported here because it is root who starts most clouds.
    from stackyard.assemble import on_hosts

    known = load(asked.state.absolute()) or Settings(state_dir=asked.state)
    if on_hosts(asked.services or known.services):
        raise CommandFailed("containers and networks need root: run it as root, or leave them out with --services")


def _spawn(state: Path) -> subprocess.Popen[bytes]:
    _log(state).parent.mkdir(mode=0o700, exist_ok=True)
    with _log(state).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stackyard.cli.main", "serve", "--state", str(state.absolute()),
             "--log", str(_log(state.absolute()))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip


def _follow(settings: Settings, server: subprocess.Popen[bytes] | None, began: float) -> int:
    """Show the phases as they come, and the moment of the first authenticated answer."""
    state, phase, answered = settings.state_dir, "", False
    while time.monotonic() - began < PATIENCE:
        if server is not None and server.poll() is not None:
            raise CommandFailed(f"the server ended while starting: {_last_words(state)}")
        status = _status(state)
        if status and status["phase"] != phase:
            phase = status["phase"]
            print(f"  {time.monotonic() - began:5.2f} s  {phase}", flush=True)
        if status and not answered and (moment := _authenticated(settings)):
            answered = True
            print(f"  {moment - began:5.2f} s  first authenticated answer from {status['base_url']}", flush=True)
        if status and phase == "in trouble":
            raise CommandFailed(f"{'; '.join(status['warnings'])}\nThe whole log: {_log(state)}")
        if status and phase == "ready" and answered:
            print(
                f"the cloud is ready: {status['base_url']}   credentials: {state / 'clouds.yaml'}, {state / 'openrc'}"
            )
            return 0
        time.sleep(0.02)
    raise CommandFailed(f"not ready after {PATIENCE} seconds ({phase or 'no answer'}): {_last_words(state)}")


def _status(state: Path) -> dict[str, Any] | None:
    try:
        return dict(ask(state, "status", timeout=5))
    except NotRunning:
        return None


def _authenticated(settings: Settings) -> float | None:
    """The moment at which a request with a fresh token was answered, or None when that is not possible yet. Asked where
    the server listens: the public URL may be that of a proxy in front of it."""
    try:
        known = dict(
            line.removeprefix("export ").split("=", 1)
            for line in (settings.state_dir / "openrc").read_text().splitlines()
            if "=" in line
        )
    except FileNotFoundError:
        return None
    value: Callable[[str], str] = lambda name: known.get(name, "").strip("'\"")  # noqa: E731
    user = {"name": value("OS_USERNAME"), "domain": {"name": "Default"}, "password": value("OS_PASSWORD")}
    scope = {"project": {"name": value("OS_PROJECT_NAME"), "domain": {"name": "Default"}}}
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
    connection = _connection(settings)
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


def _connection(settings: Settings) -> http.client.HTTPConnection:
    if not settings.serves_tls:
        return http.client.HTTPConnection(settings.host, settings.port, timeout=10)
    # Our own server on this machine, whatever names its certificate carries: the certificate itself is what is trusted.
    trusting = ssl.create_default_context(cafile=settings.authority or settings.tls_cert)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(settings.host, settings.port, timeout=10, context=trusting)


def _log(state: Path) -> Path:
    return state / "logs" / "server.log"


def _last_words(state: Path) -> str:
    """What the server said last: the end of a traceback, or its reason not to start."""
    try:
        said = [line for line in _log(state).read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        said = []
    last = said[-1].removeprefix("stackyard serve: ") if said else "it said nothing"
    return f"{last}\nThe whole log: {_log(state)}"
