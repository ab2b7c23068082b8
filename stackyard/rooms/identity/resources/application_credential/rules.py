"""Use cases of application credentials."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity import fields, rows
from stackyard.rooms.identity.errors import invalid, unknown
from stackyard.rooms.identity.passwords import hash_password
from stackyard.rooms.identity.resources import access_rule
from stackyard.rooms.identity.resources.application_credential import resource, store
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.role import resource as roles
from stackyard.rooms.identity.resources.role import store as role_store
from stackyard.rooms.identity.resources.token import delegation


def target(work: Work, credential: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. One below another user's path is judged as its owner's, so that nobody learns by
    their own path what others have."""
    if "id" in credential or "id" not in work.params:
        return {}
    elsewhere = store.by_id(work.tx, work.params["id"])
    return {"user_id": elsewhere.user_id} if elsewhere else {}


def hash_secret(services: Services, caller: Caller, wanted: Record) -> None:
    """Replace the secret by its hash, keeping it for the answer, before any transaction opens."""
    wanted["secret"] = wanted.get("secret") or secrets.token_urlsafe(64)
    wanted["secret_hash"] = hash_password(wanted["secret"], services.settings.password_cost)


def create(work: Work, wanted: Record) -> Record:
    """Make an application credential for the caller's project. Raises Forbidden without one, BadRequest for roles that
    the caller's token does not have, Conflict for a name that the user has given before."""
    fields.refuse_else(wanted)
    delegation.refuse_restricted(work)
    if work.caller.project_id is None:
        raise Forbidden("An application credential is made with a token that is for a project.")
    if wanted.get("expires_at") is not None and wanted["expires_at"] <= work.now:
        raise invalid("expires_at", "lies in the past.")
    rows.free_name(work, resource.APPLICATION_CREDENTIAL, wanted["name"], user_id=wanted["user_id"])
    stored = {
        **wanted,
        "unrestricted": bool(wanted.get("unrestricted")),
        "project_id": work.caller.project_id,
        "roles": _role_ids(work, wanted["roles"]),
        "access_rules": [_access_rule(work, wanted["user_id"], each) for each in wanted["access_rules"]],
    }
    made = kernel_rows.insert(work, resource.APPLICATION_CREDENTIAL, stored)
    return Record({**made, "secret": wanted["secret"]})


def _role_ids(work: Work, named: Sequence[dict[str, str]]) -> list[str]:
    """The ids of the roles with all they imply. The token must have each, so that nobody gets more by this."""
    held = {role.id: role.name for role in role_store.named(work.tx, work.caller.roles)}
    if not named:
        return sorted(held)
    wanted = {_role_id(work, index, each) for index, each in enumerate(named)}
    wanted = {role.id for role in role_store.expand(work.tx, wanted)} | wanted
    target = assignments.Target("project", work.caller.project_id or "")
    still = {role.id for role in assignments.effective_roles(work.tx, work.caller.user_id or "", target)}
    if wanted - set(held) or wanted - still:
        raise invalid("roles", "an application credential cannot have a role that the token does not have.")
    return sorted(wanted)


def _role_id(work: Work, index: int, named: dict[str, str]) -> str:
    if len(named) != 1:
        raise invalid(f"roles.{index}", "names a role by either its id or its name.")
    found = role_store.referred(work.tx, named)
    if found is None:
        raise invalid(f"roles.{index}", f"could not find role: {next(iter(named.values()))}.")
    return str(found.id)


def _access_rule(work: Work, user_id: str, given: dict[str, str]) -> str:
    """The id of the user's rule that says this, made if there is none."""
    table = access_rule.ACCESS_RULE.table
    if "id" in given:
        found = work.tx.get(table, id=given["id"], user_id=user_id)
        if found is None:
            raise unknown("access rule", given["id"])
        return str(found.id)
    missing = [name for name in ("service", "method", "path") if name not in given]
    if missing:
        raise invalid(f"access_rules.{missing[0]}", "is required.")
    found = work.tx.get(table, user_id=user_id, **given)
    return str((found or kernel_rows.insert(work, access_rule.ACCESS_RULE, {**given, "user_id": user_id})).id)


def delete(work: Work, credential: Record, query: Record) -> None:
    """Delete an application credential. Its tokens end at once."""
    delegation.refuse_restricted(work)
    kernel_rows.remove(work, resource.APPLICATION_CREDENTIAL, credential)


def load(work: Work, credentials: Sequence[Record]) -> None:
    """What the credentials' roles and access rules are, looked up for all at once."""
    named = {role.id: role for role in store.of_ids(work.tx, roles.ROLE, _all(credentials, "roles"))}
    ruled = {
        rule.id: rule for rule in store.of_ids(work.tx, access_rule.ACCESS_RULE, _all(credentials, "access_rules"))
    }
    for each in credentials:
        each["shown_roles"] = [_role(named[one]) for one in each.roles if one in named]
        each["shown_rules"] = [access_rule.shown(ruled[one]) for one in each.access_rules if one in ruled]


def _all(credentials: Iterable[Record], name: str) -> set[str]:
    return {one for each in credentials for one in each[name]}


def _role(role: Record) -> dict[str, Any]:
    return {name: role[name] for name in ("id", "name", "domain_id", "description", "options")}


def shown_expiry(work: Work, credential: Record) -> str | None:
    """Without an offset, as Keystone shows it here."""
    moment = credential.expires_at
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") if moment else None


def view(work: Work, credential: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """The secret is shown when it is new, access rules when there are any."""
    for name in ("secret", "access_rules"):
        if not shown.get(name):
            shown.pop(name, None)
    return shown
