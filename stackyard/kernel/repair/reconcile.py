"""Reconcilers: repair that takes no input, compares wanted with real, and can be run at any time, any number of
times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from stackyard.kernel.work import Services


class Report(msgspec.Struct, kw_only=True):
    """What one run found and did: `examined` objects, `repaired` sentences, `failed` sentences. `again_within`: seconds
    after which there is more to do, when that is sooner than the reconciler's period."""

    examined: int = 0
    repaired: list[str] = msgspec.field(default_factory=list)
    failed: list[str] = msgspec.field(default_factory=list)
    again_within: float | None = None


class Mismatch(msgspec.Struct, kw_only=True):
    """One difference between the database and a host, for `stackyard check`."""

    kind: str
    object_id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """A named repair. `run` mends and reports; `check` only lists what `run` would mend. `every`: the period; it also
    runs at start and when signalled (`Reconcilers.signal(name)`)."""

    name: str
    run: Callable[["Services"], Report]
    check: Callable[["Services"], list[Mismatch]]
    every: timedelta = field(default=timedelta(seconds=30))
    doc: str = ""
