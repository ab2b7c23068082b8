"""Moving inventories between providers together with what is allocated of them. Source: Placement API reference,
"Reshaper"."""

from stackyard.kernel.declare.kinds import Anything, Integer, MapOf, Object, Uuid, invalid
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import inventory
from stackyard.rooms.placement.dialect import PROVIDER_NOT_FOUND
from stackyard.rooms.placement.policies import RESHAPE
from stackyard.rooms.placement.resources.allocation import bodies
from stackyard.rooms.placement.resources.allocation import rules as allocations
from stackyard.rooms.placement.resources.resource_provider import inventories, rules, store

_INVENTORIES = MapOf(
    Object(
        {"resource_provider_generation": Integer(), "inventories": inventories.INVENTORIES},
        required=["resource_provider_generation", "inventories"],
    ),
    key=Uuid(),
)


def _reshape(work: Work, request: Request) -> None:
    """First everything is there, where it was and where it will be; then consumers move; then the old places go."""
    given = request.body["inventories"]
    if not given:
        raise invalid("inventories", "names no provider: then there is nothing to reshape.")
    wanted = bodies.many(work, request.body["allocations"], may_be_empty=True)
    found = {uuid: _provider(work, uuid, each["resource_provider_generation"]) for uuid, each in given.items()}
    after = {
        uuid: {name: inventory(one) for name, one in each["inventories"].items()} for uuid, each in given.items()
    }
    before = store.inventories(work, found)
    for uuid, provider in ((uuid, each) for uuid, each in found.items() if after[uuid]):
        inventories.put(work, provider, {**before.get(uuid, {}), **after[uuid]})
    allocations.replace(work, wanted)
    for uuid in found:
        provider_now = store.get(work, uuid)
        assert provider_now is not None
        inventories.put(work, provider_now, after[uuid])



def _provider(work: Work, uuid: str, generation: int) -> Record:
    found = store.get(work, uuid)
    if found is None:
        raise BadRequest(
            f"Resource provider {uuid} in inventories not found.", field="inventories", kind=PROVIDER_NOT_FOUND
        )
    rules.check_generation(found, generation)
    return found


ROUTE = Route(
    method="POST",
    path="/reshaper",
    handler=_reshape,
    allow=RESHAPE,
    status=204,
    since="1.30",
    body=[
        Field(name="inventories", kind=_INVENTORIES, required=True),
        Field(name="allocations", kind=MapOf(Anything()), required=True),
    ],
    doc="Inventories and allocations change together, or none does.",
)
