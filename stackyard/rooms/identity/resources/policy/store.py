"""Which policy is meant for which part of the catalog: an endpoint, a service, or a service in a region."""

from dataclasses import dataclass

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Record, Transaction, table
from stackyard.rooms.identity.resources import endpoint as endpoints
from stackyard.rooms.identity.resources import region as regions

#: What a place does not name is empty, not null: each place has one policy at most, and the key says so.
ASSOCIATION = table(
    "identity_policy_association",
    Column("endpoint_id", sa.String(64), primary_key=True),
    Column("service_id", sa.String(64), primary_key=True),
    Column("region_id", sa.String(255), primary_key=True),
    Column("policy_id", sa.String(64), nullable=False, index=True),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of the catalog."""

    endpoint_id: str = ""
    service_id: str = ""
    region_id: str = ""


def _key(place: Place) -> dict[str, str]:
    return {"endpoint_id": place.endpoint_id, "service_id": place.service_id, "region_id": place.region_id}


def associate(tx: Transaction, policy_id: str, place: Place) -> None:
    """Let the policy be the place's, instead of the one it had."""
    tx.delete(ASSOCIATION, **_key(place))
    tx.insert(ASSOCIATION, {**_key(place), "policy_id": policy_id})


def associated(tx: Transaction, policy_id: str, place: Place) -> bool:
    """Whether the policy is the place's own."""
    return policy_of(tx, place) == policy_id


def dissociate(tx: Transaction, policy_id: str, place: Place) -> None:
    """Leave the place without this policy."""
    tx.delete(ASSOCIATION, **_key(place), policy_id=policy_id)


def policy_of(tx: Transaction, place: Place) -> str | None:
    """The id of the policy that a place has of its own."""
    found = tx.get(ASSOCIATION, **_key(place))
    return found.policy_id if found else None


def forget(tx: Transaction, **gone: str) -> None:
    """Forget the associations of a policy, an endpoint, a service or a region that is deleted."""
    tx.delete(ASSOCIATION, **gone)


def endpoints_of(tx: Transaction, policy_id: str) -> list[Record]:
    """The endpoints that a policy is meant for, each once."""
    found: dict[str, Record] = {}
    for each in tx.find(ASSOCIATION, policy_id=policy_id):
        found |= {row.id: row for row in _within(tx, each)}
    return list(found.values())


def _within(tx: Transaction, place: Record) -> list[Record]:
    endpoint = endpoints.ENDPOINT.table
    if place.endpoint_id:
        return tx.find(endpoint, id=place.endpoint_id)
    if not place.region_id:
        return tx.find(endpoint, service_id=place.service_id)
    below = _below(tx, place.region_id)
    return tx.all(sa.select(endpoint).where(endpoint.c.service_id == place.service_id, endpoint.c.region_id.in_(below)))


def _below(tx: Transaction, region_id: str) -> set[str]:
    """A region and those below it."""
    region = regions.REGION.table
    start = sa.select(region.c.id).where(region.c.id == region_id).cte("below", recursive=True)
    tree = start.union(sa.select(region.c.id).join(start, region.c.parent_region_id == start.c.id))
    return {row.id for row in tx.all(sa.select(tree.c.id))}
