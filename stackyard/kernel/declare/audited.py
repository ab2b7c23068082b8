"""How a room tells of its requests in the audit trail, where it knows more of them than their routes say."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered. path: the route's, below the room's. given, answer: the JSON of both bodies, None
    without one; they hold secrets, of which nothing may be told. noted: what a refusal notes for the event."""

    method: str
    path: str
    params: Mapping[str, str]
    resource: str | None
    verb: str | None
    given: Any
    answer: Any
    noted: Mapping[str, Any] = {}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the trail tells of it. action, target_type: in CADF's taxonomies. initiator: who it was, where no token says
    that: `id`, `name`, `domain_id`, `domain_name`, as far as known. details: what is told beside, in the event."""

    event_type: str
    action: str
    target_type: str
    target_id: str | None = None
    initiator: Mapping[str, str | None] = {}
    details: Mapping[str, Any] = {}


def made(answer: Any) -> str | None:
    """The id in an answer that shows one object, with or without an envelope around it."""
    inside = next(iter(answer.values()), None) if isinstance(answer, Mapping) and len(answer) == 1 else answer
    found = (inside.get("id") or inside.get("uuid")) if isinstance(inside, Mapping) else None
    return found if isinstance(found, str) else None
