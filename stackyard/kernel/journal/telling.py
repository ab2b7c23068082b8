"""A story as people read it: an object, what was asked of it, each step with its time, each failure with its reason."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from stackyard.kernel.journal.causes import MOST, Child, Link, Touched
from stackyard.kernel.journal.timeline import Line

if TYPE_CHECKING:
    from stackyard.kernel.journal.why import Asked, Story

_SIGNS = {"step": "✓ ", "undo": "↶ ", "failure": "✗ "}


def story(told: "Story") -> Iterator[str]:
    """The lines of a story."""
    yield f"{told.resource} {told.object_id}" + (f" ({told.name})" if told.name else "")
    yield f"  is {told.status or 'there'}" if told.exists else "  is gone"
    if told.reason:
        yield f"  because {told.reason}"
    for each in told.operations:
        yield ""
        yield from _operation(each, [line for line in told.lines if line.operation == each.id])
    yield from _section("noted", (text for line in told.lines if line.operation is None for text in _line(line)))
    for request, others in groupby(told.beside, lambda each: each.request_id):
        yield from _section(f"request {request} also touched", map(_touched, others))
    held = (f"{_touched(each)}, request {each.request_id}" for each in told.held)
    yield from _section("what it holds, or did, the latest first", held)
    if MOST in (len(told.beside), len(told.held)):
        yield from ("", f"of what is beside it, {MOST} are told; there may be more")


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    known = list(lines)
    if known:
        yield from ("", title, *(f"  {line}" for line in known))


def _operation(asked: "Asked", lines: list[Line]) -> Iterator[str]:
    who = (asked.user or "the cloud") + (f" in project {asked.project}" if asked.project else "")
    yield f"{asked.action}, asked by {who}, request {asked.request_id}"
    yield f"  {asked.standing}"
    for cause in asked.causes:
        yield f"  begun by {_link(cause)}"
    if asked.overtaken_by is not None:
        yield f"  overtaken by {_link(asked.overtaken_by)}"
    for line in lines:
        yield from (f"  {text}" for text in _line(line))
    for child in asked.children:
        yield from (f"  {text}" for text in _child(child))


def _link(link: Link) -> str:
    by = f" by {link.user}" if link.user else ""
    what = f"{link.action} of {link.resource} {link.object_id}, which is {link.state}"
    return f"{what}; asked{by}, request {link.request_id}"


def _child(child: Child) -> Iterator[str]:
    yield f"it began {child.action} of {child.resource} {child.object_id}, which is {child.state}" + (
        f": {child.reason}" if child.reason else ""
    )
    for line in child.lines:
        yield from (f"  {text}" for text in _line(line))
    for each in child.children:
        yield from (f"  {text}" for text in _child(each))


def _line(line: Line) -> Iterator[str]:
    length = f" ({_length(line.seconds)})" if line.seconds is not None else ""
    tries = f", try {line.tries}" if line.tries and line.tries > 1 else ""
    yield f"{moment(line.at)}  {_SIGNS.get(line.kind, '')}{line.text}{length}{tries}"
    for each in line.calls:
        failed = f": {each['error']}" if each.get("error") else ""
        yield f"{' ' * 27}{each['call']} on {each['node']} ({_length(each['seconds'])}){failed}"


def _touched(other: Touched) -> str:
    named = "" if other.object_id in other.text else f" ({other.object_id})"
    return f"{moment(other.at)}  {other.text}{named}"


def _length(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def moment(at: datetime) -> str:
    """A moment as people read it, to the millisecond."""
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}"
