"""Reads and calls that are not repeated: logs, processes, figures, commands. From the rule straight to the driver."""

import shlex
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from stackyard.kernel.declare.kinds import Boolean, Integer, IpAddress, OneOf, Text, invalid
from stackyard.kernel.declare.resource import Action, Field
from stackyard.kernel.errors import ApiError, BadRequest, Conflict, NotImplementedYet, Unavailable
from stackyard.kernel.journal.book import refusal
from stackyard.kernel.steps import Transient
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container import driver as contract
from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.container.policies import writes

T = TypeVar("T")

_SIGNALS = sorted({word for each in signal.Signals for word in (each.name, each.name[3:], str(int(each)))})


def _query(name: str, kind: Any, **more: Any) -> Field:
    return Field(name=name, kind=kind, **more)


TIMEOUT = [_query("timeout", Integer(min=0, max=600), default=10)]
SIGNAL = [_query("signal", OneOf("None", *_SIGNALS, fold=True), default="SIGKILL")]
LOGS = [
    _query("stdout", Boolean(), default=True),
    _query("stderr", Boolean(), default=True),
    _query("timestamps", Boolean(), default=False),
    _query("tail", Text(max=20, pattern="all|None|[0-9]*"), default="all"),
    _query("since", Text(max=40), default=""),
]
EXECUTE = [
    _query("command", Text(min=1, max=65535)),
    _query("run", Boolean(), default=True),
    _query("interactive", Boolean(), default=False),
]
TOP = [_query("ps_args", Text(max=255, pattern="[a-zA-Z0-9,+= -]*"), default="")]
ATTACH = [_query("network", Text(min=1)), _query("port", Text(min=1)), _query("fixed_ip", IpAddress())]
DETACH = [_query("network", Text(min=1)), _query("port", Text(min=1), since="1.17")]

#: What the real service has and Stackyard has not yet: method, suffix.
_MISSING = (
    ("GET", "attach"), ("POST", "resize"), ("POST", "execute_resize"), ("GET", "get_archive"), ("POST", "put_archive"),
    ("POST", "commit"), ("POST", "rebuild"),
)  # fmt: skip


def not_yet() -> list[Action]:
    """Actions that answer 501: silence would be worse."""
    return [
        Action(
            method=cast(Any, method),
            suffix=suffix,
            rule=_missing(suffix),
            allow=writes(suffix),
            status=501,
            reads="driver",
        )
        for method, suffix in _MISSING
    ]


def _missing(suffix: str) -> Callable[..., Any]:
    def rule(work: Work, container: Record, body: Any, query: Record) -> None:
        raise NotImplementedYet(f"'{suffix}' of a container is not offered yet.", remedy="See docs/conformance.md.")

    return rule


def _driver(work: Work, container: Record, action: str) -> ContainerDriver:
    from stackyard.rooms.container.resources.container.resource import CONTAINER, LIFE

    if not LIFE.allowed(action, container.status):
        raise refusal(CONTAINER, container.uuid, action, container.status)
    if not container.host:
        raise Conflict(f"Container {container.uuid} is on no host yet.", remedy="Try again once it is created.")
    return cast(ContainerDriver, work.services.nodes.driver(container.host, "container"))


def _asked(call: Callable[[], T]) -> T:
    """Call the driver and say its failures in the API's words."""
    try:
        return call()
    except (contract.DriverError, Transient) as error:
        raise api_error(error) from error


def api_error(error: Exception) -> ApiError:
    """What a driver's failure is to the caller of the API."""
    text = str(error)
    if isinstance(error, contract.NotFound):
        # The container is known here, so it is no 404: the engine has lost it, or never had it.
        return Conflict(text, remedy="Its engine does not have it: start it to make it anew, or delete it.")
    if isinstance(error, contract.Conflict):
        return Conflict(text)
    if isinstance(error, contract.TimedOut):
        return Conflict(text, remedy="Run long commands in the background.")
    if isinstance(error, contract.EngineRefused):
        return BadRequest(text)
    return Unavailable(text, remedy="The host's engine does not answer; try again shortly.")


def logs(work: Work, container: Record, body: Any, query: Record) -> Callable[[], Any]:
    """What the container has written, as text."""
    driver = _driver(work, container, "logs")
    tail = int(query.tail) if query.tail.isdecimal() else None
    since = _moment(query.since)

    def read() -> str:
        written = driver.logs(container.uuid, query.stdout, query.stderr, query.timestamps, tail, since)
        return written.decode(errors="replace")

    return lambda: _asked(read)


def _moment(text: str) -> float | None:
    if not text or text == "None":
        return None
    if text.isdecimal():
        return float(text)
    try:
        return datetime.fromisoformat(text.replace(",", ".")).timestamp()
    except ValueError:
        raise BadRequest(
            f"'{text}' is no moment.",
            field="since",
            remedy="Give seconds since 1970 or a date such as 2026-11-23 06:07:08,0.",
        ) from None


def execute(work: Work, container: Record, body: Any, query: Record) -> Callable[[], Any]:
    """Run a command inside and answer with its output and exit code. Zun takes the parameters from the query or from a
    JSON body alike."""
    query = Record({**query, **_in_body(EXECUTE, body)})
    if "command" not in query:
        raise invalid("command", "is required.")
    if query.interactive:
        raise NotImplementedYet(
            "Interactive commands are not offered yet.", field="interactive", remedy="Run it without."
        )
    driver = _driver(work, container, "execute")
    try:
        words = shlex.split(query.command)
    except ValueError as error:
        raise BadRequest(f"The command cannot be split into words: {error}.", field="command") from error

    def run() -> dict[str, Any]:
        done = driver.execute(container.uuid, words, query.run)
        if not query.run:
            return {"output": None, "exit_code": None, "exec_id": done.exec_id, "token": None, "url": None}
        return {
            "output": done.output.decode(errors="replace"),
            "exit_code": done.exit_code,
            "exec_id": None,
            "token": None,
        }

    return lambda: _asked(run)


def _in_body(fields: list[Field], body: Any) -> dict[str, Any]:
    given = body if isinstance(body, dict) else {}
    return {each.name: each.kind.parse(given[each.name], each.name, False) for each in fields if each.name in given}


def top(work: Work, container: Record, body: Any, query: Record) -> Callable[[], Any]:
    """The container's processes."""
    driver = _driver(work, container, "top")

    def read() -> dict[str, Any]:
        listed = driver.top(container.uuid, "" if query.ps_args == "None" else query.ps_args)
        return {"Titles": listed.titles, "Processes": listed.processes}

    return lambda: _asked(read)


def stats(work: Work, container: Record, body: Any, query: Record) -> Callable[[], Any]:
    """What the container uses now, in the words `appcontainer stats` prints."""
    driver = _driver(work, container, "stats")

    def read() -> dict[str, Any]:
        used = driver.stats(container.uuid)
        share = used.memory_usage / used.memory_limit * 100 if used.memory_limit else 0.0
        return {
            "CONTAINER": container.name,
            "CPU %": round(used.cpu_percent, 2),
            "MEM USAGE(MiB)": round(used.memory_usage / 2**20, 2),
            "MEM LIMIT(MiB)": round(used.memory_limit / 2**20, 2),
            "MEM %": round(share, 2),
            "BLOCK I/O(B)": f"{used.block_read}/{used.block_written}",
            "NET I/O(B)": f"{used.network_received}/{used.network_sent}",
        }

    return lambda: _asked(read)
