"""What a provider has of a resource class, and whether an amount of it can be had."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: The most of anything, as the API reference has it.
MOST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What there is of one resource class. Units are the class's own (MiB, GiB, cores).

    reserved: what is kept from consumers. One allocation is of `min_unit` to `max_unit`, a multiple of `step_size`.
    allocation_ratio: how far allocations may go beyond what is there.
    """

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MOST
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """How much of it may be allocated."""
        return int((self.total - self.reserved) * self.allocation_ratio)

    def misfit(self, amount: int) -> str:
        """Why no allocation can have this amount, however much is free; empty when one can."""
        if amount < self.min_unit:
            return f"{amount} is less than the least that one may have, {self.min_unit}"
        if amount > self.max_unit:
            return f"{amount} is more than one may have, {self.max_unit}"
        if amount % self.step_size:
            return f"{amount} is no multiple of {self.step_size}"
        return ""

    def lacks(self, amount: int, used: int) -> str:
        """What keeps this amount from being had beside what is used: by how much it is too much; empty when it can."""
        free = self.capacity - used
        if amount > free:
            return f"needs {amount}, {max(free, 0)} of {self.capacity} are free, {amount - max(free, 0)} too few"
        return self.misfit(amount)

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


def inventory(values: Mapping[str, Any]) -> Inventory:
    """From a body or a row; what is not an attribute of an inventory is left out."""
    return Inventory(**{name: values[name] for name in Inventory.__dataclass_fields__ if name in values})
