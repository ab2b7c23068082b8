"""What tokens got with an application credential may do."""

from collections.abc import Iterable
from typing import Any

from stackyard.kernel.caller import AccessRule
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources import access_rule
from stackyard.rooms.identity.resources.application_credential import store
from stackyard.rooms.identity.resources.token import rights as tokens
from stackyard.rooms.identity.resources.token.claims import Claims
from stackyard.rooms.identity.resources.token.rights import Rights


def rights(tx: Transaction, claims: Claims) -> Rights:
    """What a token got with an application credential may do: those of its roles that its owner still has. Raises
    Unauthorized when the credential is gone."""
    credential = store.by_id(tx, claims.origin.application_credential_id)
    if credential is None or credential.user_id != claims.user_id or credential.project_id != claims.scope_id:
        raise unauthenticated()
    chosen = set(credential.roles)
    rules = store.of_ids(tx, access_rule.ACCESS_RULE, credential.access_rules)
    shown: dict[str, Any] = {"id": credential.id, "name": credential.name, "restricted": not credential.unrestricted}
    if rules:
        shown["access_rules"] = [access_rule.shown(each) for each in rules]
    return Rights(
        roles=[role for role in tokens.of_user(tx, claims).roles if role.id in chosen],
        shown={"application_credential": shown},
        known={"application_credential": {"id": credential.id, "restricted": not credential.unrestricted}},
        access_rules=_permitted(rules) if credential.access_rules else None,
    )


def _permitted(rules: Iterable[Record]) -> tuple[AccessRule, ...]:
    return tuple(AccessRule(service=each.service, method=each.method, path=each.path) for each in rules)
