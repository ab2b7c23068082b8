"""What `stackyard up` takes about observing the cloud: audit, traces, draining, a unit."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from stackyard.cli.arguments import words
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import Settings

CHANGEABLE = ("audit", "traces", "drain")


def add_to(command: argparse.ArgumentParser) -> None:
    """Add the options to the command line."""
    command.add_argument(
        "--audit", type=words, metavar="SINK,…", help="where the audit trail goes: log (the default), file:/PATH, "
        "http(s)://…; '' for nowhere; can be chosen at any start",
    )  # fmt: skip
    command.add_argument(
        "--traces", metavar="URL", help="send traces to this OpenTelemetry collector (OTLP over HTTP, …:4318)"
    )
    command.add_argument(
        "--drain", type=float, metavar="SECONDS", help="how long a server that is to stop goes on while it says it is "
        "not ready (0)",
    )  # fmt: skip
    command.add_argument("--install-unit", action="store_true", help="have systemd start the cloud when the host does")


def refuse_impossible(chosen: Settings) -> None:
    """Raise CommandFailed for what cannot be."""
    for each in chosen.audit:
        if each != "log" and not _is_url(each) and not (each.startswith("file:") and Path(each[5:]).is_absolute()):
            raise CommandFailed(f"--audit {each}: write log, file:/absolute/path, or a URL like https://host/path.")
    if chosen.traces and not _is_url(chosen.traces):
        raise CommandFailed(f"--traces {chosen.traces}: write it like http://127.0.0.1:4318.")
    if not 0 <= chosen.drain <= 600:
        raise CommandFailed(f"--drain {chosen.drain:g}: a number of seconds from 0 to 600.")


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
