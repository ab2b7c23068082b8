"""Every provider with all that candidates depend on, read at once."""

from stackyard.kernel.work import Work
from stackyard.rooms.placement.resources.allocation_candidate.landscape import Landscape, Provider
from stackyard.rooms.placement.resources.resource_provider import store as providers
from stackyard.rooms.placement.resources.usage import store as usages


def landscape(work: Work) -> Landscape:
    """The providers as they are now."""
    inventories, used = providers.inventories(work), usages.of(work)
    traits, aggregates = providers.traits(work), providers.aggregates(work)
    return Landscape(
        [
            Provider(
                uuid=uuid, parent=row.parent_provider_uuid, root=row.root_provider_uuid,
                inventories=inventories.get(uuid, {}), used=used.get(uuid, {}),
                traits=frozenset(traits.get(uuid, ())), aggregates=frozenset(aggregates.get(uuid, ())),
            )
            for uuid, row in providers.providers(work).items()
        ]
    )  # fmt: skip
