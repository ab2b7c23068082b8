"""The unit of work a rule runs in: one transaction, on behalf of one caller."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.holdings import Holdings
from stackyard.kernel.observe.observer import Observer
from stackyard.kernel.quota import UnifiedLimits, no_unified_limits
from stackyard.kernel.storage.database import Database, Record, Transaction

if TYPE_CHECKING:
    from stackyard.kernel.bulletin import Bulletin
    from stackyard.kernel.declare.resource import Resource
    from stackyard.kernel.nodes import Nodes


class Clock(Protocol):
    """Time, ids and randomness, injected so that tests choose them."""

    def now(self) -> datetime:
        """The present moment, UTC."""

    def new_id(self) -> str:
        """A fresh random UUID, dashed."""


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A fresh random UUID, dashed."""
        # As str(uuid.uuid4()), at a third of its time: every request asks for some.
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class Journal(Protocol):
    """What a rule may ask of the journal, in its own transaction."""

    def begin(
        self,
        work: "Work",
        resource: "Resource",
        record: Record,
        action: str,
        inputs: Mapping[str, Any],
        parent: str | None,
    ) -> str:
        """See Work.begin."""

    def event(self, work: "Work", object_id: str, kind: str, text: str, **details: Any) -> None:
        """See Work.event."""

    def running(self, work: "Work", object_id: str) -> list[Record]:
        """The operations of an object that have not ended, oldest first."""

    def at_work(self, work: "Work") -> set[str]:
        """The ids of all objects with an operation that has not ended."""


class Policy(Protocol):
    """Whether a rule lets a caller act on a target."""

    def allows(self, name: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        """Whether the named rule passes."""


@dataclass(kw_only=True)
class Services:
    """What the composition root binds for every unit of work; the same object for the life of the process.

    `settings` are the cloud's (region, base URL, state directory, …); `bound` holds what a room binds at start for its
    own later use, keyed by the room's name (a token cipher, an image store).
    `signal(name)` has a reconciler run soon on this server, `signal_all(tx, name)` on every server once a transaction
    has committed. `host` is the name of the node that this server has on its own machine.
    `unified_limits` is Keystone's book of limits, which quotas ask; `holdings` knows what projects own in every room.
    `bulletin` reaches the other servers; None: there can be none.
    """

    database: Database
    journal: Journal
    policy: Policy
    clock: Clock
    nodes: "Nodes"
    settings: Any
    bound: dict[str, Any]
    signal: Callable[[str], None]
    signal_all: Callable[[Transaction, str], None] = field(default=lambda tx, name: None)
    host: str = ""
    unified_limits: UnifiedLimits = no_unified_limits
    holdings: Holdings = field(default_factory=Holdings)
    bulletin: "Bulletin | None" = None

    @property
    def observer(self) -> Observer:
        """Whom to tell what happened."""
        return self.database.observer

    def work(self, tx: Transaction, caller: Caller, request_id: str = "") -> "Work":
        """A unit of work in a transaction that no request opened: a reconciler's, a seed's."""
        return Work(tx=tx, caller=caller, services=self, request_id=request_id, base_url=self.settings.base_url)


@dataclass(kw_only=True)
class Work:
    """One transaction on behalf of one caller. Rules, stores and facades take it first. `params`: the path's
    placeholders; `query`: what the query string asks, last value wins; `query_string`: as it came."""

    tx: Transaction
    caller: Caller
    services: Services
    request_id: str = ""
    version: Version | None = None
    base_url: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    query_string: str = ""

    @property
    def database(self) -> Database:
        """For what runs after this transaction: functions a rule returned, streams."""
        return self.services.database

    @property
    def now(self) -> datetime:
        """The present moment, UTC."""
        return self.services.clock.now()

    def new_id(self) -> str:
        """A fresh random UUID, dashed."""
        return self.services.clock.new_id()

    def begin(
        self,
        resource: "Resource",
        record: Record,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
    ) -> str:
        """Accept a durable operation on an object, in this transaction: checks the life cycle (Conflict when the state
        does not allow it), sets the transient state (also in `record`), inserts the operation and its timeline event; a
        worker is woken after commit. `inputs` is JSON and holds no secrets. Returns the operation's id."""
        return self.services.journal.begin(self, resource, record, action, inputs or {}, parent)

    def event(self, object_id: str, kind: str, text: str, **details: Any) -> None:
        """Add a line to an object's timeline."""
        self.services.journal.event(self, object_id, kind, text, **details)

    def allows(self, name: str, target: Mapping[str, Any]) -> bool:
        """Whether the policy rule `name` lets the caller act on `target`."""
        return self.services.policy.allows(name, self.caller, target)

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once this transaction is durable."""
        self.tx.after_commit(hook)

    def as_caller(self, caller: Caller) -> "Work":
        """The same transaction on behalf of another caller: a service acting for the requester."""
        return replace(self, caller=caller)
