"""Allocation candidates, declared as a route: its parameters have suffixes that the caller makes up. Source: Placement
API reference, "Allocation candidates"."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer, since
from stackyard.rooms.placement.policies import operates
from stackyard.rooms.placement.resources.allocation_candidate import asked, search, store
from stackyard.rooms.placement.resources.allocation_candidate.asked import Asked
from stackyard.rooms.placement.resources.allocation_candidate.landscape import Landscape, Provider
from stackyard.rooms.placement.resources.allocation_candidate.search import Candidate
from stackyard.rooms.placement.resources.resource_class import rules as classes
from stackyard.rooms.placement.resources.trait import rules as traits


def _list(work: Work, request: Request) -> Reply:
    """The candidates, and what their providers have."""
    wanted = asked.candidates(work, request.raw_query)
    classes.check_known(work, {name for group in wanted.groups.values() for name in group.resources})
    traits.check_known(work, wanted.root.named.union(*(group.traits.named for group in wanted.groups.values())))
    landscape = store.landscape(work)
    found = search.find(landscape, wanted, nested=since(work, 29))
    shown = {
        "allocation_requests": [_request(work, each) for each in found],
        "provider_summaries": _summaries(work, landscape, wanted, found),
    }
    return answer(work, shown)


def _request(work: Work, candidate: Candidate) -> dict[str, Any]:
    """A candidate as the body of PUT /allocations takes it."""
    resources: dict[str, dict[str, int]] = {}
    for (uuid, name), amount in candidate.amounts.items():
        resources.setdefault(uuid, {})[name] = amount
    if not since(work, 12):
        listed = [{"resource_provider": {"uuid": uuid}, "resources": each} for uuid, each in resources.items()]
        return {"allocations": listed}
    shown: dict[str, Any] = {"allocations": {uuid: {"resources": each} for uuid, each in resources.items()}}
    return {**shown, "mappings": candidate.mappings} if since(work, 34) else shown


def _summaries(work: Work, landscape: Landscape, wanted: Asked, found: list[Candidate]) -> dict[str, Any]:
    """The providers of every tree that is in a candidate; before 1.29, those in a candidate only."""
    used = {uuid for each in found for uuid, _ in each.amounts}
    named = {name for group in wanted.groups.values() for name in group.resources}
    trees = landscape.trees({landscape.providers[uuid].root for uuid in used})
    chosen = trees if since(work, 29) else [each for each in trees if each.uuid in used or not landscape.nested]
    return {each.uuid: _summary(work, each, named) for each in chosen}


def _summary(work: Work, each: Provider, named: set[str]) -> dict[str, Any]:
    resources = {
        name: {"capacity": have.capacity, "used": each.used.get(name, 0)}
        for name, have in each.inventories.items()
        if name in named or since(work, 27)
    }
    shown: dict[str, Any] = {"resources": resources}
    if since(work, 17):
        shown["traits"] = sorted(each.traits)
    if since(work, 29):
        shown |= {"parent_provider_uuid": each.parent, "root_provider_uuid": each.root}
    return shown


ROUTE = Route(
    method="GET",
    path="/allocation_candidates",
    handler=_list,
    allow=operates("allocation_candidates:list"),
    # A search can take long: it is not for the event loop's thread.
    reads="driver",
    since="1.10",
    doc="Every way in which a request could be satisfied now.",
)
