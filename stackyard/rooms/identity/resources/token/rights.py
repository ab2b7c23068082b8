"""What a token may do. Those of a user may do what its user may; others come from somewhere else: see sources.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackyard.kernel.caller import AccessRule
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.token.claims import Claims


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The roles (id, name), and what answers and check strings are told beside them: members of the token's body, such
    as `OS-TRUST:trust`, of `user` in it, and of `token` in policy. access_rules: see Caller."""

    roles: Sequence[Record]
    shown: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    access_rules: tuple[AccessRule, ...] | None = None


def of_user(tx: Transaction, claims: Claims) -> Rights:
    """The roles that the user has in the token's scope."""
    if claims.kind == "unscoped":
        return Rights(roles=[])
    return Rights(roles=assignments.effective_roles(tx, claims.user_id, target(claims)))


def target(claims: Claims) -> Target:
    """What the token is for, as assignments name it."""
    return assignments.system() if claims.kind == "system" else Target(claims.kind, claims.scope_id)
