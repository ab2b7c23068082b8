"""`stackyard node`: other machines of the cloud. Heavy parts are imported by the words that need them."""

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stackyard.cli import unit
from stackyard.cli.operator import CommandFailed, ask

LOCK, STATUS, LOG = "node.lock", "status.json", "node.log"
_PATIENCE = 60.0


def run(asked: argparse.Namespace) -> int:
    """Carry out the word."""
    return _WORDS[asked.word](asked)


# -- on the server's machine --


def _token(asked: argparse.Namespace) -> int:
    """Print a join token, and how to use it."""
    made = ask(asked.state, "node-token", str(asked.minutes))
    print(made["token"])
    print(
        f"lets one machine in within {asked.minutes:g} minutes; there, as root:\n"
        f"  stackyard node join {made['address']} --token {made['token']}",
        file=sys.stderr,
    )
    return 0


def _list(asked: argparse.Namespace) -> int:
    """Print the nodes."""
    nodes = ask(asked.state, "nodes")
    if asked.json:
        print(json.dumps(nodes, indent=2))
        return 0
    for each in nodes:
        print(f"{each['name']:<24} {each['state']:<10} {each['told']}")
    return 0


def _revoke(asked: argparse.Namespace) -> int:
    """Let a node in no more."""
    ask(asked.state, "node-revoke", asked.name)
    print(f"node {asked.name} is let in no more; what runs there is no longer looked after")
    return 0


# -- on a node's machine --


def _join(asked: argparse.Namespace) -> int:
    """Become a node and start."""
    _needs_root()
    from stackyard.kernel.steps import Refused, Transient
    from stackyard.node.home import Home

    state = asked.state.absolute()
    if _runs(state):
        raise CommandFailed(f"a node runs in {state} already; stop it first: stackyard node down --state {state}")
    name = asked.name or socket.gethostname()
    try:
        settled = Home(state).join(asked.url, asked.token, name, asked.engine or "private")
    except (Refused, Transient, ValueError) as error:
        raise CommandFailed(str(error)) from error
    print(f"this machine is node {settled.name} now")
    return _up(asked)


def _up(asked: argparse.Namespace) -> int:
    """Start the node in the background; returns when it is connected to a server."""
    _needs_root()
    state = asked.state.absolute()
    _needs_home(state)
    if getattr(asked, "install_unit", False):
        installed = unit.install(unit.of_node(state, state / "logs" / LOG))
        print(f"systemd starts the node when the host does: {installed}")
    started = None
    if not _runs(state):
        (state / STATUS).unlink(missing_ok=True)
        (state / "logs").mkdir(mode=0o700, exist_ok=True)
        with (state / "logs" / LOG).open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "stackyard.cli.main", "node", "serve", "--state", str(state),
                 "--log", str(state / "logs" / LOG)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
    end = time.monotonic() + _PATIENCE
    while "connected" not in (servers := _servers(state)).values():
        if started is not None and started.poll() is not None:
            raise CommandFailed(f"the node ended while starting; its log is {state / 'logs' / LOG}")
        if time.monotonic() > end:
            said = "; ".join(f"{address}: {told}" for address, told in servers.items()) or "nothing was heard of it"
            raise CommandFailed(f"not connected after {_PATIENCE:g} seconds, and still trying: {said}")
        time.sleep(0.05)
    print("the node is connected: " + ", ".join(sorted(each for each in servers if servers[each] == "connected")))
    return 0


def _serve(asked: argparse.Namespace) -> int:
    """The node, until SIGTERM or SIGINT."""
    from stackyard.assemble import RemoteHost
    from stackyard.kernel import logs

    reopen = logs.begin(asked.log)
    state = asked.state.absolute()
    _needs_home(state)
    with (state / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"another node uses {state}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        told_to_end = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda number, frame: told_to_end.set())
        signal.signal(signal.SIGHUP, lambda number, frame: reopen())
        agent = RemoteHost(state).agent(lambda servers: _say(state, servers))
        agent.start()
        unit.tell("READY=1")
        told_to_end.wait()
        unit.tell("STOPPING=1")
        agent.close()
    return 0


def _status(asked: argparse.Namespace) -> int:
    """Print whether it runs and is connected; 1 when it is not."""
    state = asked.state.absolute()
    _needs_home(state)
    servers = _servers(state) if _runs(state) else {}
    if asked.json:
        print(json.dumps({"running": _runs(state), "servers": servers}, indent=2))
    else:
        print("the node runs" if _runs(state) else "the node does not run; start it with: stackyard node up")
        for address, told in sorted(servers.items()):
            print(f"server {address}: {told}")
    return 0 if "connected" in servers.values() else 1


def _down(asked: argparse.Namespace) -> int:
    """Stop it, and with --purge leave the host as it was. Done already is done."""
    _needs_root()
    from stackyard.assemble import RemoteHost

    state = asked.state.absolute()
    if not (state / "node.json").exists():
        print(f"there is no node in {asked.state}")
        return 0
    _end(state)
    host = RemoteHost(state).host
    print("stopping containers, engine and networks", flush=True)
    host.stop(asked.grace)
    if asked.purge:
        host.purge()
        unit.remove(unit.of_node(state, state / "logs" / LOG))
        print("the host is as it was before; the cloud still knows the node: stackyard node revoke, at the server")
    return 0


def _needs_root() -> None:
    if os.geteuid() != 0:
        raise CommandFailed("containers and networks need root: run it as root")


def _needs_home(state: Path) -> None:
    if not (state / "node.json").exists():
        raise CommandFailed(f"there is no node in {state}. Make this machine one with: stackyard node join")


def _runs(state: Path) -> bool:
    try:
        with (state / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _end(state: Path) -> None:
    """SIGTERM, and SIGKILL to one that does not end in time. It holds the lock in which its number is."""
    end, how = time.monotonic() + _PATIENCE, signal.SIGTERM
    sent: signal.Signals | None = None
    while _runs(state):
        if sent is not how and (number := (state / LOCK).read_text()):
            os.kill(int(number), how)
            sent = how
        if time.monotonic() > end:
            how = signal.SIGKILL
        time.sleep(0.02)


def _say(state: Path, servers: Mapping[str, str]) -> None:
    scratch = state / f".{STATUS}.new"
    scratch.write_text(json.dumps(servers))
    scratch.replace(state / STATUS)


def _servers(state: Path) -> dict[str, str]:
    try:
        return dict(json.loads((state / STATUS).read_text()))
    except FileNotFoundError:
        return {}


_WORDS: Mapping[str, Callable[[Any], int]] = {
    "token": _token, "list": _list, "revoke": _revoke,
    "join": _join, "up": _up, "serve": _serve, "status": _status, "down": _down,
}  # fmt: skip
