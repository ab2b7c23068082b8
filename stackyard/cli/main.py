"""`stackyard`: start, stop and look at a cloud on this machine."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stackyard import __version__
from stackyard.cli import db_options, identity_options, node_options, observe_options
from stackyard.cli.arguments import rule, words
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import UnreadableSettings

EPILOG = """\
The first five minutes
  stackyard up                     start the cloud (the same command brings it back after a crash or a reboot)
  . /var/lib/stackyard/openrc      become the demo user; then: openstack appcontainer run --name web cirros httpd -f
  stackyard status                 what runs, and how it is
  stackyard why <id>               all that ever happened to an object, step by step, and why
  stackyard check                  compare the database with the host
  stackyard down                   stop everything; add --purge to leave the host as it was before

A cloud keeps its state in one folder: --state, or $STACKYARD_STATE, or /var/lib/stackyard. Another folder is another
cloud. `stackyard <command> --help` says more of each. Exit status: 0 done, 1 something is not as it should be, 2 the
command could not be carried out.
"""

UP = """\
Start the cloud in the background and return once it is ready. The same command brings it back after a crash or a
reboot, and says so when it runs already. What the options choose is recorded at the first start and stays; later
starts need none of them.
"""
DOWN = """\
Stop the server, the containers and the engine, and take the networks from the host. All state is kept, and
`stackyard up` brings the cloud back. With --purge the state goes too, and the host is as it was before.
"""
STATUS = """\
Print the address, the engine, the nodes, the operations under way, how each repair went, and what on this host stands
in the cloud's way. To restart the server alone, send it SIGTERM and run `stackyard up`: containers keep running.
"""
WHY = """\
Print who asked for what, each step with its time and the calls of nodes in it, each failure with its reason, what is
being waited for, what began it and what it began, and what else the same request touched.
"""
CHECK = """\
Look at every object in the database and everything of this cloud on the hosts, and print each difference. Nothing is
changed: the repairs named by `stackyard status` do that by themselves. Exit status 1 when anything differs.
"""
RECONCILE = """\
Run one repair now and print what it found and did. The server runs each by itself, when something happens and from
time to time; this is for watching one. Exit status 1 when something could not be mended.
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
    add: Callable[..., argparse.ArgumentParser] = commands.add_parser
    _up(add("up", help="start the cloud, or say that it runs", description=UP))
    serve = add("serve", help="the server itself, in the foreground; what `up` starts, for process supervisors")
    _with_state(serve).add_argument(
        "--log", type=Path, metavar="FILE", help="log there, put aside at 64 MiB, instead of to standard error"
    )
    down = _with_state(add("down", help="stop the cloud and its containers", description=DOWN))
    down.add_argument("--purge", action="store_true", help="also delete all state and leave the host as it was before")
    down.add_argument(
        "--grace", type=float, default=10, metavar="SECONDS", help="how long containers may take to end (10)"
    )
    _json(_with_state(add("status", help="what runs, and how it is", description=STATUS)))
    why = _json(_with_state(add("why", help="what happened to an object, step by step", description=WHY)))
    why.add_argument("id", help="of an object (a container, a port, …), a request, an operation, a project or a user")
    _json(_with_state(add("check", help="compare the database with the host", description=CHECK)))
    reconcile = _json(_with_state(add("reconcile", help="run a repair by hand", description=RECONCILE)))
    reconcile.add_argument("--once", required=True, metavar="NAME", help="which one; `stackyard status` lists them")
    db_options.add_to(add("db", help="the database: upgrade, backup, restore"), _with_state)
    identity_options.add_to(add("identity", help="keys: show, rotate; federation: try a mapping"), _with_state)
    node_options.add_to(add("node", help="other machines that run containers: join, list, revoke"))
    return top


def _with_state(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = Path(os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"))
    command.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"the cloud's folder ({default})")
    return command


def _json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    return command


def _up(command: argparse.ArgumentParser) -> None:
    _with_state(command)
    command.add_argument("--host", metavar="ADDRESS", help="the address the API listens on (127.0.0.1)")
    command.add_argument("--port", type=int, metavar="PORT", help="its port (8800)")
    command.add_argument(
        "--services", type=words, metavar="NAME,…", help="serve these only, of identity, placement, image, network and "
        "container (all); can be chosen at any start",
    )  # fmt: skip
    command.add_argument(
        "--public-url", metavar="URL", help="the base URL that clients use, when it is not http://ADDRESS:PORT"
    )
    command.add_argument(
        "--nodes", metavar="ADDRESS:PORT", help="take other machines' nodes there; can be chosen at any start"
    )
    command.add_argument(
        "--tls",
        action=argparse.BooleanOptionalAction,
        help="speak HTTPS with a certificate of the cloud's own authority",
    )
    command.add_argument(
        "--tls-cert", type=_file, metavar="FILE", help="speak HTTPS with this certificate (a PEM chain)"
    )
    command.add_argument("--tls-key", type=_file, metavar="FILE", help="its private key (PEM)")
    command.add_argument(
        "--tls-client-ca", type=_file, metavar="FILE", help="clients may present certificates of these authorities"
    )
    command.add_argument(
        "--cors-origins", type=words, metavar="URL,…", help="web pages of these origins may use the API; '*' for all"
    )
    command.add_argument(
        "--trusted-proxies", type=words, metavar="ADDRESS,…", help="reverse proxies to believe about clients (none)"
    )
    command.add_argument(
        "--token-provider", choices=["fernet", "jws"], help="the form of new tokens (fernet); both are good always"
    )
    command.add_argument(
        "--security-compliance", type=rule, action="append", metavar="RULE=VALUE",
        help="a rule for passwords and accounts, by Keystone's name (lockout_failure_attempts=5); may be given several "
        "times, at any start; with no value it ends",
    )  # fmt: skip
    observe_options.add_to(command)
    command.add_argument("--region", metavar="NAME", help="the region's name (RegionOne)")
    command.add_argument("--engine", metavar="URL", help="use an existing Docker (unix:///…) instead of a private one")
    command.add_argument("--external-cidr", metavar="CIDR", help="the range of the network 'public' (203.0.113.0/24)")
    command.add_argument("--database", metavar="URL", help="SQLAlchemy's URL of it (SQLite in the state folder)")


def _file(path: str) -> str:
    """Absolute, because the server runs elsewhere."""
    return str(Path(path).absolute()) if path else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status. 2: the command line or the machine is not as it must be."""
    asked = parser().parse_args(arguments)
    command = importlib.import_module(f"stackyard.cli.{asked.command}")
    try:
        status = int(command.run(asked))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read the output has seen enough (`stackyard status | head`): no complaint, and none at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CommandFailed, UnreadableSettings) as error:
        print(f"stackyard {asked.command}: {error}", file=sys.stderr)
        return 2
    except PermissionError as error:
        print(f"stackyard {asked.command}: {error.filename}: {error.strerror}. Run it as root, or name "
              "a folder of your own with --state.", file=sys.stderr)  # fmt: skip
        return 2
    except OSError as error:
        print(f"stackyard {asked.command}: {error.filename or 'this machine'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
