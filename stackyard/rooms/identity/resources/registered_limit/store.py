"""Registered limits by what they are of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import invalid
from stackyard.rooms.identity.resources import region, service
from stackyard.rooms.identity.resources.registered_limit import resource


class Of(NamedTuple):
    """What is limited: something of a service, in a region or (None) in none in particular."""

    service_id: str
    region_id: str | None
    resource_name: str


def of(limit: Mapping[str, Any]) -> Of:
    """What a limit, registered or not, is of."""
    return Of(limit["service_id"], limit.get("region_id"), limit["resource_name"])


def registered(tx: Transaction, place: Of) -> Record | None:
    """The registered limit of just this."""
    return tx.get(resource.REGISTERED_LIMIT.table, **place._asdict())


def check_catalog(work: Work, given: Any) -> None:
    """Raise BadRequest when a limit names a service or a region that is not there."""
    service_id, region_id = given.get("service_id"), given.get("region_id")
    if service_id is not None and work.tx.get(service.SERVICE.table, id=service_id) is None:
        raise invalid("service_id", f"there is no service {service_id}.")
    if region_id is not None and work.tx.get(region.REGION.table, id=region_id) is None:
        raise invalid("region_id", f"there is no region {region_id}.")
