"""Use cases of consumers and access tokens."""

import secrets
from collections.abc import Mapping
from typing import Any

from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.errors import invalid, unknown
from stackyard.rooms.identity.resources.application_credential import store as objects
from stackyard.rooms.identity.resources.credential.sealing import seal
from stackyard.rooms.identity.resources.oauth1 import resource, store
from stackyard.rooms.identity.resources.role import resource as role_resource
from stackyard.rooms.identity.resources.token import delegation


def create(work: Work, wanted: Record) -> Record:
    """Make a consumer with a fresh secret."""
    secret = secrets.token_hex(16)
    made = kernel_rows.insert(work, resource.CONSUMER, {**wanted, **seal(work, secret, "sealed")})
    return Record({**made, "secret": secret})


def update(work: Work, consumer: Record, changes: Record) -> Record:
    """Change a consumer; its secret stays."""
    if "secret" in changes:
        raise invalid("secret", "cannot be changed.")
    return kernel_rows.change(work, resource.CONSUMER, consumer, changes)


def delete(work: Work, consumer: Record, query: Record) -> None:
    """Delete a consumer with every token it was given. Tokens got with them end at once."""
    store.remove_of_consumer(work.tx, consumer.id)
    kernel_rows.remove(work, resource.CONSUMER, consumer)


def view(work: Work, consumer: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """The secret is shown when it is new."""
    if not shown.get("secret"):
        shown.pop("secret", None)
    return shown


def refuse_delegated(work: Work, params: Mapping[str, Any]) -> None:
    """Raise Forbidden for tokens that are themselves got by somebody's leave."""
    delegation.refuse_any(work)


def view_token(work: Work, token: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """With a link to its roles."""
    path = f"users/{token.authorizing_user_id}/OS-OAUTH1/access_tokens/{token.id}/roles"
    shown["links"] = {**shown["links"], "roles": render.url(work, path)}
    return shown


def roles(work: Work, token: Record, body: Record, query: Record) -> dict[str, Any]:
    """The roles that the access token gives."""
    found = objects.of_ids(work.tx, role_resource.ROLE, token.role_ids)
    path = f"users/{token.authorizing_user_id}/OS-OAUTH1/access_tokens/{token.id}/roles"
    return render.collection(work, role_resource.ROLE, found, path)


def role(work: Work, token: Record, body: Record, query: Record) -> dict[str, Any]:
    """One of the roles that the access token gives. Raises NotFound for any other."""
    wanted = work.params["role_id"]
    found = work.tx.get(role_resource.ROLE.table, id=wanted) if wanted in token.role_ids else None
    if found is None:
        raise unknown("role", wanted)
    return {"role": render.item(work, role_resource.ROLE, found)}
