"""Use cases of identity providers."""

import uuid
from typing import Any

from stackyard.kernel.errors import Conflict
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.federation import store
from stackyard.rooms.identity.resources.identity_provider import resource


def view(work: Work, provider: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Add the address of its protocols."""
    shown["remote_ids"] = shown["remote_ids"] or []
    shown["links"]["protocols"] = f"{shown['links']['self']}/protocols"
    return shown


def create(work: Work, wanted: Record) -> Record:
    """Make an identity provider, with a domain of its own unless it is given one. Raises NotFound for an unknown
    domain, Conflict when its id or a remote id is taken."""
    if work.tx.get(resource.IDENTITY_PROVIDER.table, id=wanted["id"]) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store identity_provider - Duplicate ID, {wanted['id']}.", field="id"
        )
    _check_remote_ids(work, wanted)
    if wanted.get("domain_id"):
        rows.existing(work, domains.DOMAIN, wanted["domain_id"], is_domain=True)
    else:
        wanted["domain_id"] = _own_domain(work, wanted["id"])
    return kernel_rows.insert(work, resource.IDENTITY_PROVIDER, wanted)


def _own_domain(work: Work, provider_id: str) -> str:
    domain_id = uuid.UUID(work.new_id()).hex
    about = f"Auto generated federated domain for Identity Provider: {provider_id}"
    kernel_rows.insert(work, domains.DOMAIN, {"id": domain_id, "name": domain_id, "description": about})
    return domain_id


def _check_remote_ids(work: Work, given: Record, own_id: str = "") -> None:
    for remote_id in given.get("remote_ids") or ():
        holder = store.provider_of_remote_id(work.tx, remote_id)
        if holder is not None and holder.id != own_id:
            raise Conflict(
                f"Duplicate remote ID: {remote_id} is the identity provider {holder.id}'s.", field="remote_ids"
            )


def update(work: Work, provider: Record, changes: Record) -> Record:
    """Change an identity provider. Disabling it ends the tokens that came through it."""
    _check_remote_ids(work, changes, provider.id)
    return kernel_rows.change(work, resource.IDENTITY_PROVIDER, provider, changes)


def delete(work: Work, provider: Record, query: Record) -> None:
    """Delete an identity provider with its protocols. The users that came through it stay, but cannot log in."""
    store.forget_provider(work.tx, provider.id)
    kernel_rows.remove(work, resource.IDENTITY_PROVIDER, provider)
