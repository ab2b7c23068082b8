"""The words of `stackyard node`: those of the server's machine, and those of a machine that joins."""

import argparse
import os
from pathlib import Path

DESCRIPTION = """\
A cloud on many machines: servers decide, nodes run containers.

On the server's machine, started with `stackyard up --nodes ADDRESS:PORT`
  stackyard node token             a token that lets one machine in, and the command to give there
  stackyard node list              the nodes, and whether they are connected
  stackyard node revoke NAME       let this one in no more

On a machine that is to run containers
  stackyard node join ADDRESS:PORT --token TOKEN     become a node, and start
  stackyard node up | down | status                  start again (after a reboot), stop, look at it
"""


def add_to(command: argparse.ArgumentParser) -> None:
    """Add the words to the command line."""
    command.description = DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    words = command.add_subparsers(dest="word", metavar="<word>", required=True)

    token = _on_server(words.add_parser("token", help="print a token that lets one machine in, once"))
    token.add_argument("--minutes", type=float, default=60, metavar="N", help="how long it is good (60)")
    listing = _on_server(words.add_parser("list", help="the nodes, and whether they are connected"))
    listing.add_argument("--json", action="store_true", help="print JSON for programs")
    revoke = _on_server(words.add_parser("revoke", help="let a node in no more; its connections are cut at once"))
    revoke.add_argument("name", help="as `stackyard node list` names it")

    join = _on_node(words.add_parser("join", help="make this machine a node of a cloud, and start it"))
    join.add_argument("url", metavar="ADDRESS:PORT", help="where a server of the cloud takes nodes")
    join.add_argument("--token", required=True, help="what `stackyard node token` printed")
    join.add_argument("--name", metavar="NAME", help="the host's name in the cloud (what the machine calls itself)")
    join.add_argument("--engine", metavar="URL", help="use an existing Docker (unix:///…) instead of a private one")
    up = _on_node(words.add_parser("up", help="start the node, or say that it runs"))
    up.add_argument("--install-unit", action="store_true", help="have systemd start the node when the host does")
    serve = _on_node(words.add_parser("serve", help="the node itself, in the foreground; what `up` starts"))
    serve.add_argument("--log", type=Path, metavar="FILE", help="log there instead of to standard error")
    status = _on_node(words.add_parser("status", help="whether the node runs, and which servers it is connected to"))
    status.add_argument("--json", action="store_true", help="print JSON for programs")
    down = _on_node(words.add_parser("down", help="stop the node, its containers and its engine"))
    down.add_argument("--purge", action="store_true", help="also delete its state and leave the host as it was before")
    down.add_argument(
        "--grace", type=float, default=10, metavar="SECONDS", help="how long containers may take to end (10)"
    )


def _on_server(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = Path(os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"))
    command.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"the cloud's folder ({default})")
    return command


def _on_node(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = Path(os.environ.get("STACKYARD_NODE_STATE", "/var/lib/stackyard-node"))
    command.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"the node's folder ({default})")
    return command
