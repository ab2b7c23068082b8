"""`stackyard`: start, stop and look at a cloud on this machine."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stackyard import __version__
from stackyard.cli.operator import CommandFailed

EPILOG = """\
The first five minutes
  stackyard up                     start the cloud (the same command brings it back after a crash or a reboot)
  . /var/lib/stackyard/openrc      become the demo user; then: openstack appcontainer run --name web cirros httpd -f
  stackyard status                 what runs, and how it is
  stackyard why <id>               all that ever happened to an object, step by step, and why
  stackyard check                  compare the database with the host; exit status 1 when anything differs
  stackyard down                   stop everything; add --purge to leave the host as it was before

State lives in one folder: --state, or $STACKYARD_STATE, or /var/lib/stackyard.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="stackyard",
        description="OpenStack's container cloud in one process.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"stackyard {__version__}")
    commands = top.add_subparsers(dest="command", metavar="<command>", required=True)
    _up(commands.add_parser("up", help="start the cloud, or say that it runs"))
    _serve(commands.add_parser("serve", help="run the server in the foreground (what `up` starts)"))
    down = _with_state(commands.add_parser("down", help="stop the cloud and its containers"))
    down.add_argument(
        "--purge", action="store_true", help="also delete all its state and leave the host as it was before"
    )
    down.add_argument(
        "--grace", type=float, default=10, metavar="SECONDS", help="how long containers may take to end (10)"
    )
    _with_state(_json(commands.add_parser("status", help="what runs, and how it is")))
    why = _with_state(_json(commands.add_parser("why", help="what happened to an object, step by step")))
    why.add_argument("id", help="the id of any object: a container, a port, an image, an operation")
    _with_state(
        _json(commands.add_parser("check", help="compare the database with the host; exits 1 when anything differs"))
    )
    reconcile = _with_state(_json(commands.add_parser("reconcile", help="run a repair by hand")))
    reconcile.add_argument("--once", required=True, metavar="NAME", help="which one; `stackyard status` lists them")
    return top


def _with_state(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = Path(os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"))
    command.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"the cloud's folder ({default})")
    return command


def _json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    return command


def _serve(command: argparse.ArgumentParser) -> None:
    _with_state(command)


def _up(command: argparse.ArgumentParser) -> None:
    _with_state(command)
    command.description = (
        "Start the cloud. What is chosen here is recorded at the first start and cannot be changed later."
    )
    command.add_argument("--host", metavar="ADDRESS", help="the address the API listens on (127.0.0.1)")
    command.add_argument("--port", type=int, metavar="PORT", help="its port (8800)")
    command.add_argument(
        "--public-url", metavar="URL", help="the base URL that clients use, when it is not host and port"
    )
    command.add_argument("--region", metavar="NAME", help="the region's name (RegionOne)")
    command.add_argument("--engine", metavar="URL", help="use an existing Docker (unix:///…) instead of a private one")
    command.add_argument("--external-cidr", metavar="CIDR", help="the range of the network 'public' (203.0.113.0/24)")
    command.add_argument("--database", metavar="URL", help="an SQLAlchemy URL (SQLite in the state folder)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status. 2: the command line or the machine is not as it must be."""
    asked = parser().parse_args(arguments)
    command = importlib.import_module(f"stackyard.cli.{asked.command}")
    try:
        return int(command.run(asked))
    except CommandFailed as error:
        print(f"stackyard {asked.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
