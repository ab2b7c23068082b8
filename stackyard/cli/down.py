"""`stackyard down`: stop the cloud; with --purge, leave the host as it was before it came."""

import argparse
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from stackyard.cli import unit
from stackyard.cli.operator import CommandFailed, NotRunning, ask


def run(asked: argparse.Namespace) -> int:
    """Stop the server, the containers, the engine and the networks. Done already is done."""
    from stackyard.assemble import Host
    from stackyard.kernel.settings import load

    settings = load(asked.state.absolute())
    if settings is None:
        print(f"there is no cloud in {asked.state}")
        return 0
    host = Host(settings)
    if os.geteuid() != 0 and host.is_used():
        raise CommandFailed("containers and networks need root: run it as root")
    _stop_server(settings.state_dir)
    _try("stopping containers, engine and networks", lambda: host.stop(asked.grace))
    if asked.purge:
        _try("removing all state", host.purge)
        unit.remove(unit.of_cloud(settings))
        print("the host is as it was before the cloud came")
    else:
        print(f"the cloud is down; its state is kept in {settings.state_dir}: `stackyard up` brings it back")
    return 0


def _try(what: str, act: Callable[[], None]) -> None:
    print(what, flush=True)
    try:
        act()
    except Exception as error:
        raise CommandFailed(f"{what} failed: {error}\nRun it again: what is done stays done.") from error


def _stop_server(state: Path, patience: float = 60) -> None:
    try:
        pid = ask(state, "stop")["pid"]
        print(f"stopping the server (pid {pid})", flush=True)
    except NotRunning:
        pass
    end = time.monotonic() + patience
    while _is_locked(state):
        if time.monotonic() > end:
            raise CommandFailed(f"the server in {state} does not end; its log is {state / 'logs' / 'server.log'}")
        time.sleep(0.02)


def _is_locked(state: Path) -> bool:
    try:
        with (state / "server.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
