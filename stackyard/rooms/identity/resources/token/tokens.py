"""Tokens: made, read and judged. A token is good when its claims are, and when the rows behind them still say so.

What the rows say is remembered together with the change counter read with them; as long as the counter stands, nothing
about identity has changed, and one small read tells. Any change makes every token be judged anew. Tokens of the same
user for the same thing, of which each log-in makes another, share what is remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from stackyard.kernel.caller import Caller
from stackyard.kernel.recent import Recent
from stackyard.kernel.settings import SecurityCompliance
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Clock, Services
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.catalog.remembered import Catalogs
from stackyard.rooms.identity.resources.federation import store as federation
from stackyard.rooms.identity.resources.password.inactivity import is_inactive
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.token import store
from stackyard.rooms.identity.resources.token.claims import SIGNED, Claims, new_audit_id
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.token.provider import Provider
from stackyard.rooms.identity.resources.token.rights import Rights
from stackyard.rooms.identity.resources.token.sources import rights
from stackyard.rooms.identity.resources.user import store as users

#: How many judged tokens are remembered, 2 kB each, and how many standings, 4 kB each. A token that was forgotten while
#: its standing was not costs little: it is opened again, and looked for among those that were ended.
REMEMBERED, STANDINGS = 1_000, 1_000


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a user is, and may do with one thing: the rows as they were at `version`."""

    user: Record
    user_domain: Record
    scope: Record | None
    scope_domain: Record | None
    rights: Rights
    service_providers: Sequence[Mapping[str, str]]
    version: int
    #: What callers with these tokens have in common, and of their `token` in policy.
    who: Mapping[str, Any] = field(repr=False)
    about: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Token(Standing):
    """A token that was good at `version`: its claims and the rows behind them."""

    claims: Claims
    caller: Caller = field(repr=False)
    #: What follows from the rest and has been worked out.
    kept: dict[str, bytes] = field(default_factory=dict, repr=False)


class Tokens:
    """The tokens of this cloud. Every method works inside the transaction it is given."""

    def __init__(self, provider: Provider, clock: Clock, lifetime: int, rules: SecurityCompliance) -> None:
        """`lifetime`: seconds. `rules`: of accounts that nobody uses."""
        self._provider = provider
        self._clock = clock
        self._lifetime = lifetime
        self._rules = rules
        self.catalogs = Catalogs()
        self._known: Recent[str, Token] = Recent(REMEMBERED)
        self._standings: Recent[Claims, Standing] = Recent(STANDINGS)

    def validate(self, tx: Transaction, token: str) -> Caller:
        """Who asks with this token. Raises Unauthorized."""
        return self.look_up(tx, token).caller

    def look_up(self, tx: Transaction, token: str, *, expired: bool = False) -> Token:
        """The token, if it is good now (with `expired`: or was until it expired, lately). Raises Unauthorized."""
        version, now = store.version(tx), self._now()
        known = self._known.get(token)
        if known is None or known.version != version:
            tx.hold()
            known = self._judged(tx, token, store.version(tx))
            self._remember(tx, token, known)
        if known.claims.expires <= now - (store.GRACE if expired else 0):
            raise unauthenticated()
        return known

    def issue(self, tx: Transaction, proof: Proof, scope: Scope) -> tuple[str, Token]:
        """A new token, its text and itself. Raises Unauthorized when the user is disabled, or counts as that because
        they were not active for so long, or has no role in that scope, or has changed since the proof was made, or when
        what it was proved with is over."""
        now, parent = self._now(), proof.parent
        expires = now + self._lifetime
        if proof.until is not None:
            expires = min(expires, proof.until)
        if expires <= now:
            raise unauthenticated()
        claims = Claims(
            user_id=proof.user_id,
            methods=proof.methods,
            kind=scope.kind,
            scope_id=scope.id,
            issued=now,
            expires=expires,
            audit_ids=(new_audit_id(), *((parent.audit_ids[-1],) if parent else ())),
            generation=proof.generation,
            origin=proof.origin,
            certificate=proof.certificate,
        )
        version = store.version(tx)
        token = self._with_rows(tx, claims, version)
        if is_inactive(tx, self._rules, token.user, self._clock.now()):
            raise unauthenticated()
        text = self._provider.write(tx, claims, version)
        self._remember(tx, text, token)
        return text, token

    def revoke(self, tx: Transaction, token: Token, *, cascade: bool) -> None:
        """End a token at once; with `cascade` also those that were got with it, where it is the one that all began
        with."""
        store.revoke(tx, token.claims.audit_ids[0], token.claims.expires, self._now(), cascade=cascade)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _remember(self, tx: Transaction, text: str, token: Token) -> None:
        # What a write transaction sees may be rolled back, and its counter be used again by another.
        if not tx.writable:
            self._known.put(text, token)

    def _judged(self, tx: Transaction, text: str, version: int) -> Token:
        claims = self._provider.read(tx, text, version)
        if claims is None or store.is_revoked(tx, claims.audit_ids):
            raise unauthenticated()
        return self._with_rows(tx, claims, version)

    def _with_rows(self, tx: Transaction, claims: Claims, version: int) -> Token:
        standing = self._standing(tx, claims, version)
        caller = Caller(
            **standing.who,
            expires_at=instant(claims.expires),
            token={**standing.about, "audit_ids": list(claims.audit_ids)},
        )
        return Token(**vars(standing), claims=claims, caller=caller)

    def _standing(self, tx: Transaction, claims: Claims, version: int) -> Standing:
        # Without what tells one token from another, so that nothing remembered can depend on it.
        alike = msgspec.structs.replace(claims, issued=0, expires=0, audit_ids=())
        if tx.writable:
            return _looked_up(tx, alike, version)
        known = self._standings.get(alike)
        if known is None or known.version != version:
            known = _looked_up(tx, alike, version)
            self._standings.put(alike, known)
        return known


def _looked_up(tx: Transaction, claims: Claims, version: int) -> Standing:
    user = users.by_id(tx, claims.user_id)
    if user is None or not user.enabled or user.generation != claims.generation:
        raise unauthenticated()
    user_domain = _enabled_domain(tx, user.domain_id)
    scope, scope_domain = _scope_rows(tx, claims, user_domain)
    held = rights(tx, claims)
    return Standing(
        user=user,
        user_domain=user_domain,
        scope=scope,
        scope_domain=scope_domain,
        rights=held,
        service_providers=federation.enabled_service_providers(tx),
        version=version,
        who=_who(claims, user, user_domain, scope, scope_domain, held),
        about=_about(claims, user, user_domain, scope, scope_domain, held),
    )


def _enabled_domain(tx: Transaction, domain_id: str) -> Record:
    found = users.domain(tx, domain_id=domain_id)
    if found is None or not found.enabled:
        raise unauthenticated()
    return found


def _scope_rows(tx: Transaction, claims: Claims, near: Record) -> tuple[Record | None, Record | None]:
    if claims.kind == "domain":
        return _enabled_domain(tx, claims.scope_id), None
    if claims.kind != "project":
        return None, None
    project = projects.by_id(tx, claims.scope_id)
    if project is None or not project.enabled:
        raise unauthenticated()
    # A project that acts as a domain is its own; most projects are in their user's domain.
    domain_id = project.domain_id or project.id
    return project, near if near.id == domain_id else _enabled_domain(tx, domain_id)


def instant(seconds: int) -> datetime:
    """The moment that many seconds after 1970 began, UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def _who(
    claims: Claims, user: Record, user_domain: Record, scope: Record | None, domain: Record | None, held: Rights
) -> Mapping[str, Any]:
    who: dict[str, Any] = {
        "user_id": user.id,
        "user_name": user.name,
        "user_domain_id": user_domain.id,
        "user_domain_name": user_domain.name,
        "roles": tuple(role.name for role in held.roles),
        "system": claims.kind == "system",
        "access_rules": held.access_rules,
        "certificate": claims.certificate,
    }
    if scope and domain:
        who |= {
            "project_id": scope.id,
            "project_name": scope.name,
            "project_domain_id": domain.id,
            "project_domain_name": domain.name,
        }
    elif scope:
        who |= {"domain_id": scope.id, "domain_name": scope.name}
    return who


def _about(
    claims: Claims, user: Record, user_domain: Record, scope: Record | None, domain: Record | None, held: Rights
) -> Mapping[str, Any]:
    """Check strings of the default policy reach into the token: token.domain.id, token.project.domain.id."""
    about: dict[str, Any] = {"user": {"id": user.id, "domain": {"id": user_domain.id}}, **held.known}
    # Who vouches for a user takes nothing from what they may do: that is no leave of somebody else's.
    delegated = msgspec.structs.replace(claims.origin, federated=None)
    if origin := {name: value for name, value in msgspec.structs.asdict(delegated).items() if value}:
        origin.pop("counterpart", None)
        about["origin"] = origin
    if SIGNED in claims.methods:
        about["origin"] = {**about.get("origin", {}), "signed_with": SIGNED}
    if claims.certificate:
        about["origin"] = {**about.get("origin", {}), "certificate": claims.certificate}
    if scope and domain:
        about["project"] = {"id": scope.id, "domain": {"id": domain.id}}
    elif scope:
        about["domain"] = {"id": scope.id}
    return about


def tokens_of(services: Services) -> Tokens:
    """The cloud's tokens, bound when the room started."""
    bound: Tokens = services.bound["identity"]
    return bound
