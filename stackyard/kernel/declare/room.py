"""A room's manifest: everything `assemble` needs to know of a service."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.audited import Asked, Told
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.resource import Allow, Resource, Route
from stackyard.kernel.declare.versions import Microversions
from stackyard.kernel.repair.reconcile import Reconciler
from stackyard.kernel.work import Services, Work

if TYPE_CHECKING:
    from stackyard.kernel.request.exchange import Request


@dataclass(frozen=True, kw_only=True)
class Room:
    """A service as a room of the cloud.

    path: where it lives below the base URL ("/networking"); resources' and routes' paths follow it. services: (type,
    name, catalog path) it registers in the catalog, the path may hold {project_id}. uses: rooms whose facades it calls.
    policies: rules besides those of resources and routes (shared checks). tables: those of its stores. reconcilers:
    its repairs, which also list mismatches for `stackyard check`. start(services): binds what the room needs at run
    time, before the first request. always_permits(request): whether the access rules of tokens do not matter to it.
    admits(caller): raises Forbidden for those who may ask it nothing at all.
    audited(asked): how the audit trail tells of a request; None: as its route says. seed(work): idempotent first rows,
    run at every start in one transaction after migrations.
    """

    name: str
    path: str
    services: Sequence[tuple[str, str, str]]
    dialect: Dialect
    versions: Microversions | None = None
    uses: Sequence[str] = ()
    resources: Sequence[Resource] = ()
    routes: Sequence[Route] = ()
    policies: Sequence[Allow] = ()
    tables: Sequence[sa.Table] = ()
    reconcilers: Sequence[Reconciler] = ()
    start: Callable[[Services], None] | None = None
    always_permits: Callable[["Request"], bool] | None = None
    admits: Callable[[Caller], None] | None = None
    seed: Callable[[Work], None] | None = None
    audited: Callable[[Asked], Told | None] | None = None

    @property
    def package(self) -> str:
        """The room's package: its migrations are `<package>.migrations`."""
        return f"stackyard.rooms.{self.name}"


@dataclass(frozen=True)
class Declared:
    """What the modules of a room's `resources` package declare, in name order."""

    resources: Sequence[Resource]
    routes: Sequence[Route]
    policies: Sequence[Allow]
    tables: Sequence[sa.Table]


def declared(package: ModuleType) -> Declared:
    """Everything that is declared there: a new resource is a new file and no shared edit.

    Every module-level `Resource`, `Route`, rule (`Allow`) and table counts, alone or in a list or a dictionary; so does
    what a module imports from another. Tables of resources are theirs.
    """
    found: dict[int, Any] = {}
    for module in _modules(package):
        for value in vars(module).values():
            for each in _several(value):
                found[id(each)] = each
    resources = [each for each in found.values() if isinstance(each, Resource)]
    of_resources = {id(each.table) for each in resources}
    return Declared(
        resources=resources,
        routes=[each for each in found.values() if isinstance(each, Route)],
        policies=[each for each in found.values() if isinstance(each, Allow)],
        tables=[each for key, each in found.items() if isinstance(each, sa.Table) and key not in of_resources],
    )


def _modules(package: ModuleType) -> list[ModuleType]:
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    return [importlib.import_module(each.name) for each in found if not each.ispkg]


def _several(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        return value
    return value.values() if isinstance(value, dict) else (value,)
