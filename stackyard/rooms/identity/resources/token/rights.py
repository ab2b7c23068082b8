"""What a token may do: the roles of its user, unless its rights come from somewhere else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.token.claims import OWN, Claims


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The roles (id, name), and what answers and check strings are told beside them: members of the token's body, such
    as `OS-TRUST:trust`, and of `token` in policy."""

    roles: Sequence[Record]
    shown: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)


#: By the member of `Origin` that names where the rights come from. Each is asked whenever such a token is judged, so
#: that what is taken away at the source is taken away at once; it raises Unauthorized when nothing is left.
SOURCES: Mapping[str, Callable[[Transaction, Claims], Rights]] = {}


def rights(tx: Transaction, claims: Claims) -> Rights:
    """What the token may do now. Raises Unauthorized when that is nothing in the scope it is for."""
    found = _source(claims)(tx, claims)
    if claims.kind != "unscoped" and not found.roles:
        raise unauthenticated()
    return found


def _source(claims: Claims) -> Callable[[Transaction, Claims], Rights]:
    if claims.origin == OWN:
        return of_user
    for name, source in SOURCES.items():
        if getattr(claims.origin, name):
            return source
    raise unauthenticated()


def of_user(tx: Transaction, claims: Claims) -> Rights:
    """The roles that the user has in the token's scope."""
    if claims.kind == "unscoped":
        return Rights(roles=[])
    return Rights(roles=assignments.effective_roles(tx, claims.user_id, target(claims)))


def target(claims: Claims) -> Target:
    """What the token is for, as assignments name it."""
    return assignments.system() if claims.kind == "system" else Target(claims.kind, claims.scope_id)
