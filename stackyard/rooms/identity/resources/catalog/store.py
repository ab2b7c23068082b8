"""The catalog as tokens carry it: every enabled service with its enabled endpoints."""

import hashlib
import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources import endpoint as endpoints
from stackyard.rooms.identity.resources import region as regions
from stackyard.rooms.identity.resources import service as services
from stackyard.rooms.identity.resources.endpoint_filter import store as filters

_INTERFACES = ("public", "internal", "admin")
_PLACEHOLDER = re.compile(r"[%$]\((?:project_id|tenant_id)\)s")


def catalog(tx: Transaction, project_id: str | None) -> list[dict[str, Any]]:
    """The catalog for a token's project. Addresses that name the project are left out for tokens without one; a project
    that is associated with endpoints has those alone, and the services they are of."""
    service, endpoint = services.SERVICE.table, endpoints.ENDPOINT.table
    ordered = sa.select(service).where(service.c.enabled.is_(True)).order_by(service.c.type, service.c.id)
    entries = {
        row.id: {"endpoints": [], "id": row.id, "type": row.type, "name": row.name or ""} for row in tx.all(ordered)
    }
    reached = sa.select(endpoint).where(endpoint.c.enabled.is_(True)).order_by(endpoint.c.interface, endpoint.c.id)
    for row in tx.all(reached):
        url = _address(row.url, project_id)
        if url is not None and row.service_id in entries:
            entries[row.service_id]["endpoints"].append(
                {
                    "id": row.id,
                    "interface": row.interface,
                    "region_id": row.region_id,
                    "url": url,
                    "region": row.region_id,
                }
            )
    return _filtered(tx, project_id, list(entries.values()))


def _filtered(tx: Transaction, project_id: str | None, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = {each.id for each in filters.endpoints_of_project(tx, project_id)} if project_id else set()
    if not kept:
        return entries
    for entry in entries:
        entry["endpoints"] = [each for each in entry["endpoints"] if each["id"] in kept]
    return [entry for entry in entries if entry["endpoints"]]


def _address(url: str, project_id: str | None) -> str | None:
    if not _PLACEHOLDER.search(url):
        return url
    return _PLACEHOLDER.sub(project_id, url) if project_id else None


def register(tx: Transaction, *, region: str, base_url: str, service_type: str, name: str, path: str) -> None:
    """Write a service of this cloud and its three endpoints, or bring their addresses up to date.

    The ids follow from region, type and interface, so that a restart finds the rows it wrote before.
    """
    if tx.get(regions.REGION.table, id=region) is None:
        tx.insert(regions.REGION.table, {"id": region, "description": ""})
    service_id = _lasting_id(region, service_type)
    if tx.get(services.SERVICE.table, id=service_id) is None:
        tx.insert(services.SERVICE.table, {"id": service_id, "type": service_type, "name": name, "enabled": True})
    url = base_url + path.replace("{project_id}", "%(project_id)s")
    table = endpoints.ENDPOINT.table
    for interface in _INTERFACES:
        endpoint_id = _lasting_id(region, service_type, interface)
        found = tx.get(table, id=endpoint_id)
        if found is None:
            values = {
                "service_id": service_id,
                "region_id": region,
                "interface": interface,
                "url": url,
                "enabled": True,
            }
            tx.insert(table, {"id": endpoint_id, **values})
        elif found.url != url:
            tx.update(table, {"url": url}, id=endpoint_id)


def withdraw_others(tx: Transaction, region: str, kept: Collection[str]) -> None:
    """Take back what `register` wrote of services of other types than these, so that nobody is sent where nobody
    answers. What people have added to a service stays, and the service with it."""
    service, endpoint = services.SERVICE.table, endpoints.ENDPOINT.table
    for row in tx.all(sa.select(service.c.id, service.c.type).where(service.c.type.not_in(kept))):
        if row.id != _lasting_id(region, row.type):
            continue
        for interface in _INTERFACES:
            tx.delete(endpoint, id=_lasting_id(region, row.type, interface))
        if not tx.find(endpoint, service_id=row.id):
            tx.delete(service, id=row.id)


def _lasting_id(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]
