"""What a method of authentication has found out, and several findings as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.token.claims import OWN, Claims, Kind, Origin


@dataclass(frozen=True)
class Scope:
    """Where a token is to be good: a project, a domain, the system, or nowhere in particular."""

    kind: Kind = "unscoped"
    id: str = ""


UNSCOPED = Scope()


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Who it is, and within which bounds a token for it has to stay.

    generation: the user's when the proof was made; no token is made when it has risen since. methods: the proof was
    made with, or carries from an earlier token or receipt. parent: the token it was made with, whose audit id the new
    one carries on. until: seconds since 1970, beyond which no token lasts. scope: the only one there can be a token
    for. origin: see Origin. certificate: the thumbprint of the one that the token is to be bound to, or empty.
    """

    user_id: str
    generation: int
    methods: tuple[str, ...] = ()
    parent: Claims | None = None
    until: int | None = None
    scope: Scope | None = None
    origin: Origin = OWN
    certificate: str = ""


def together(named: Iterable[str], proofs: Iterable[Proof]) -> Proof:
    """Several proofs as one, with the methods that were named and those proved earlier. Raises Unauthorized unless all
    are of one user and no two set different bounds."""
    each = list(proofs)
    parents = [one.parent for one in each if one.parent is not None]
    return Proof(
        user_id=_the_one({one.user_id for one in each}),
        generation=_the_one({one.generation for one in each}),
        methods=tuple(dict.fromkeys((*named, *(name for one in each for name in one.methods)))),
        parent=parents[0] if parents else None,
        until=min((one.until for one in each if one.until is not None), default=None),
        scope=_the_one({one.scope for one in each} - {None} or {None}),
        origin=_the_one({one.origin for one in each} - {OWN} or {OWN}),
        certificate=_the_one({one.certificate for one in each} - {""} or {""}),
    )


def _the_one(values: set[Any]) -> Any:
    if len(values) != 1:
        raise unauthenticated()
    return values.pop()
