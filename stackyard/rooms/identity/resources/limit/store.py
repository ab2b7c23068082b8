"""Limits by what they are of and whom they bound."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources import service as services
from stackyard.rooms.identity.resources.limit import resource
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.project import store as project_store
from stackyard.rooms.identity.resources.registered_limit import resource as registered
from stackyard.rooms.identity.resources.registered_limit import store as registered_store
from stackyard.rooms.identity.resources.registered_limit.store import Of


def narrowed(statement: Any, caller: Caller) -> Any:
    """Narrow a select of limits to those of the caller's domain and its projects, or of the caller's project."""
    limit = resource.LIMIT.table
    if caller.domain_id:
        project = projects.PROJECT.table
        inside = sa.select(project.c.id).where(project.c.domain_id == caller.domain_id)
        return statement.where((limit.c.domain_id == caller.domain_id) | limit.c.project_id.in_(inside))
    return statement.where(limit.c.project_id == caller.project_id)


def on(tx: Transaction, of: Of) -> list[Record]:
    """The limits that refer to a registered one."""
    return tx.find(resource.LIMIT.table, **of._asdict())


def of_project(tx: Transaction, project_id: str) -> list[Record]:
    """All limits of a project."""
    return tx.find(resource.LIMIT.table, project_id=project_id)


def of_domain(tx: Transaction, domain_id: str, of: Of) -> int | None:
    """A domain's limit: its own, else the registered one, else None."""
    own = [each for each in on(tx, of) if each.domain_id == domain_id]
    if own:
        return int(own[0].resource_limit)
    found = registered_store.registered(tx, of)
    return int(found.default_limit) if found else None


def of_projects_in(tx: Transaction, domain_id: str, of: Of) -> list[Record]:
    """The limits of a domain's projects."""
    inside = {each.id for each in project_store.in_domain(tx, domain_id)}
    return [each for each in on(tx, of) if each.project_id in inside]


def of_service(tx: Transaction, service_type: str, names: Sequence[str], region_id: str) -> list[Record]:
    """The registered limits on these resources of a type of service, in this region; those of no region first."""
    return tx.all(_registered().params(type=service_type, names=names, region=region_id))


def of_holders(
    tx: Transaction, service_type: str, names: Sequence[str], region_id: str, holders: Sequence[str]
) -> list[Record]:
    """The limits of projects and domains on these resources of a type of service, in this region; those of no region
    first."""
    return tx.all(_held().params(type=service_type, names=names, region=region_id, holders=holders))


# Everything that is limited asks for these, and building a statement takes longer than running it.
@cache
def _registered() -> sa.Select[Any]:
    return _on_service(registered.REGISTERED_LIMIT.table)


@cache
def _held() -> sa.Select[Any]:
    limit = resource.LIMIT.table
    holders: sa.BindParameter[Any] = sa.bindparam("holders", expanding=True)
    return _on_service(limit).where(limit.c.project_id.in_(holders) | limit.c.domain_id.in_(holders))


def _on_service(source: sa.Table) -> sa.Select[Any]:
    service = services.SERVICE.table
    region: sa.BindParameter[Any] = sa.bindparam("region")
    joined = sa.select(source).join(service, service.c.id == source.c.service_id)
    chosen = joined.where(
        service.c.type == sa.bindparam("type"),
        source.c.resource_name.in_(sa.bindparam("names", expanding=True)),
        source.c.region_id.is_(None) | (source.c.region_id == region),
    )
    return chosen.order_by(source.c.region_id.is_not(None), source.c.id)


def forget_holders(tx: Transaction, holders: Any) -> None:
    """Forget the limits of projects and domains that are deleted. `holders`: their ids, as a list or a select."""
    limit = resource.LIMIT.table
    tx.execute(sa.delete(limit).where(limit.c.project_id.in_(holders) | limit.c.domain_id.in_(holders)))


def forget_service(tx: Transaction, service_id: str) -> None:
    """Forget everything that limits a service that is deleted."""
    for source in (resource.LIMIT.table, registered.REGISTERED_LIMIT.table):
        tx.delete(source, service_id=service_id)
