"""Use cases of policies: which are meant for which endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.errors import NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.resources import endpoint, region, service
from stackyard.rooms.identity.resources.policy import resource, store
from stackyard.rooms.identity.resources.policy.store import Place


def delete(work: Work, policy: Record, query: Record) -> None:
    """Delete a policy; what it was meant for has none of its own any longer."""
    store.forget(work.tx, policy_id=policy.id)
    kernel_rows.remove(work, resource.POLICY, policy)


def _named() -> dict[str, Resource]:
    return {"endpoint_id": endpoint.ENDPOINT, "service_id": service.SERVICE, "region_id": region.REGION}


@dataclass(frozen=True)
class Association:
    """The rules of one kind of association; `names` are the placeholders of its path."""

    names: tuple[str, ...]

    def associate(self, work: Work, policy: Record, body: Record, query: Record) -> None:
        """Mean the policy for the place in the path, instead of the one it had."""
        store.associate(work.tx, policy.id, self._place(work))

    def check(self, work: Work, policy: Record, body: Record, query: Record) -> None:
        """Whether the policy is the place's own. Raises NotFound."""
        if not store.associated(work.tx, policy.id, self._place(work)):
            said = ", ".join(f"{name.removesuffix('_id')}: {work.params[name]}" for name in self.names)
            raise NotFound(f"Policy {policy.id} is not associated with {said}.")

    def dissociate(self, work: Work, policy: Record, body: Record, query: Record) -> None:
        """Leave the place without this policy; twice changes nothing."""
        store.dissociate(work.tx, policy.id, self._place(work))

    def _place(self, work: Work) -> Place:
        named = _named()
        return Place(**{name: rows.existing(work, named[name], work.params[name]).id for name in self.names})


def list_endpoints(work: Work, policy: Record, body: Record, query: Record) -> dict[str, Any]:
    """The endpoints the policy is meant for, by themselves, their service or their region."""
    found = store.endpoints_of(work.tx, policy.id)
    return render.collection(work, endpoint.ENDPOINT, found, f"policies/{policy.id}/OS-ENDPOINT-POLICY/endpoints")


def show_for_endpoint(work: Work, request: Request) -> dict[str, Any]:
    """The policy meant for an endpoint: its own, else its service's in its region or one above, else its service's."""
    found = rows.existing(work, endpoint.ENDPOINT, request.params["endpoint_id"])
    for place in _places_of(work, found):
        if policy_id := store.policy_of(work.tx, place):
            policy = rows.existing(work, resource.POLICY, policy_id)
            return {"policy": render.item(work, resource.POLICY, policy)}
    raise NotFound(f"No policy is associated with endpoint {found.id}.")


def _places_of(work: Work, found: Record) -> Iterator[Place]:
    yield Place(endpoint_id=found.id)
    region_id = found.region_id
    while region_id:
        yield Place(service_id=found.service_id, region_id=region_id)
        above = work.tx.get(region.REGION.table, id=region_id)
        region_id = above.parent_region_id if above else None
    yield Place(service_id=found.service_id)
