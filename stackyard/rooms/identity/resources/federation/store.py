"""Who came through which identity provider, under which name there; and what the providers' tables tell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Record, Transaction, table
from stackyard.rooms.identity.resources import protocol as protocols
from stackyard.rooms.identity.resources import service_provider as service_providers
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.identity_provider import resource as providers
from stackyard.rooms.identity.resources.mapping import resource as mappings

#: A person at a provider, and the user that stands for them here.
FEDERATED = table(
    "identity_federated_user",
    Column("idp_id", sa.String(64), primary_key=True),
    Column("protocol_id", sa.String(64), primary_key=True),
    Column("unique_id", sa.String(255), primary_key=True),
    Column("user_id", sa.String(64), nullable=False, index=True),
)

#: Logins through a browser that have come back once: their states, hashed, until nobody can use them again.
SIGN_IN = table(
    "identity_sign_in",
    Column("state", sa.String(64), primary_key=True),
    Column("expires", sa.BigInteger, nullable=False, index=True),
)


def provider(tx: Transaction, provider_id: str) -> Record | None:
    """The identity provider of that id."""
    return tx.get(providers.IDENTITY_PROVIDER.table, id=provider_id)


def protocol(tx: Transaction, provider_id: str, protocol_id: str) -> Record | None:
    """The protocol of that id that the provider has."""
    return tx.get(protocols.PROTOCOL.table, idp_id=provider_id, id=protocol_id)


def mapping(tx: Transaction, mapping_id: str) -> Record | None:
    """The mapping of that id."""
    return tx.get(mappings.MAPPING.table, id=mapping_id)


def provider_of_remote_id(tx: Transaction, remote_id: str) -> Record | None:
    """The provider that calls itself so. There are few providers, and their remote ids stand in one column."""
    known = tx.all(sa.select(providers.IDENTITY_PROVIDER.table))
    return next((each for each in known if remote_id in (each.remote_ids or ())), None)


def enabled_service_providers(tx: Transaction) -> list[dict[str, str]]:
    """The service providers that tokens name."""
    found = tx.find(service_providers.SERVICE_PROVIDER.table, enabled=True)
    return [{name: each[name] for name in ("id", "auth_url", "sp_url")} for each in sorted(found, key=lambda e: e.id)]


def user_id_of(tx: Transaction, provider_id: str, protocol_id: str, unique_id: str) -> str | None:
    """The user who stands for that person here."""
    found = tx.get(FEDERATED, idp_id=provider_id, protocol_id=protocol_id, unique_id=unique_id)
    return found.user_id if found else None


def remember(tx: Transaction, user_id: str, provider_id: str, protocol_id: str, unique_id: str) -> None:
    """Let a user stand for a person at a provider. Raises Conflict when another does."""
    values = {"idp_id": provider_id, "protocol_id": protocol_id, "unique_id": unique_id, "user_id": user_id}
    tx.insert(FEDERATED, values)


def federated(tx: Transaction, user_ids: Iterable[str]) -> Mapping[str, list[Record]]:
    """By user: whom they stand for."""
    found: dict[str, list[Record]] = {}
    rows = sa.select(FEDERATED).where(FEDERATED.c.user_id.in_(list(user_ids)))
    for row in tx.all(rows.order_by(FEDERATED.c.idp_id, FEDERATED.c.protocol_id, FEDERATED.c.unique_id)):
        found.setdefault(row.user_id, []).append(row)
    return found


def narrowed(statement: Any, user_id: "sa.ColumnElement[str]", query: Mapping[str, Any]) -> Any:
    """Narrow a select of users to those who stand for somebody with the values that the query names."""
    given = {name: query[name] for name in ("idp_id", "protocol_id", "unique_id") if name in query}
    if not given:
        return statement
    chosen = sa.select(FEDERATED.c.user_id).where(*(FEDERATED.c[name] == value for name, value in given.items()))
    return statement.where(user_id.in_(chosen))


def forget_user(tx: Transaction, user_id: str) -> None:
    """Let a user stand for nobody."""
    tx.delete(FEDERATED, user_id=user_id)


def forget_protocol(tx: Transaction, provider_id: str, protocol_id: str) -> None:
    """Let nobody stand for people who came by a protocol."""
    tx.delete(FEDERATED, idp_id=provider_id, protocol_id=protocol_id)


def forget_provider(tx: Transaction, provider_id: str) -> None:
    """Delete a provider's protocols, and who came through it."""
    tx.delete(FEDERATED, idp_id=provider_id)
    tx.delete(protocols.PROTOCOL.table, idp_id=provider_id)
    memberships.leave(tx, idp_id=provider_id)


def forget_domain(tx: Transaction, domain_id: str, owned_users: "sa.Select[tuple[str]]") -> None:
    """Forget the providers of a domain that is going away, and for whom its users stand."""
    tx.execute(sa.delete(FEDERATED).where(FEDERATED.c.user_id.in_(owned_users)))
    for row in tx.find(providers.IDENTITY_PROVIDER.table, domain_id=domain_id):
        forget_provider(tx, row.id)
        tx.delete(providers.IDENTITY_PROVIDER.table, id=row.id)


def groups_that_are_there(tx: Transaction, group_ids: Sequence[str]) -> list[str]:
    """Of these groups those that have not been deleted."""
    group = groups.GROUP.table
    return [row.id for row in tx.all(sa.select(group.c.id).where(group.c.id.in_(group_ids)).order_by(group.c.id))]


def use_state(tx: Transaction, state: str, expires: int, now: int) -> bool:
    """Whether the state of a login is used for the first time; forgets those that have expired."""
    tx.execute(sa.delete(SIGN_IN).where(SIGN_IN.c.expires < now))
    if tx.get(SIGN_IN, state=state) is not None:
        return False
    tx.insert(SIGN_IN, {"state": state, "expires": expires})
    return True
