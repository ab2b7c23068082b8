"""What the steps of a durable operation may do, and how they may end."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from stackyard.kernel.caller import Caller
from stackyard.kernel.nodes import Nodes

if TYPE_CHECKING:
    from stackyard.kernel.work import Services, Work

P = ParamSpec("P")
T = TypeVar("T")


class Transient(Exception):
    """A failure worth trying again, inside the operation's deadline: an engine restarting, a node out of reach."""


class Refused(Exception):
    """A failure that trying again cannot mend. Its text becomes the object's reason; the operation is undone."""


class Cancelled(Exception):
    """Another operation (a delete) has overtaken this one; raised at a step boundary or inside a call. Never catch
    it."""


class Steps(Protocol):
    """The steps of one running operation. Every step has a name unique in the operation, shown by `stackyard why`.

    A step that is done returns its recorded result when the operation is replayed. A result must be JSON-able (or
    None).
    """

    operation_id: str
    action: str
    inputs: dict[str, Any]
    caller: Caller
    deadline: datetime
    nodes: Nodes
    services: "Services"

    def write(self, name: str, change: Callable[Concatenate["Work", P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Change the database: `change(work, …)` commits together with the step's done mark, under the current
        epoch."""

    def end(
        self, name: str, change: Callable[Concatenate["Work", P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> NoReturn:
        """The last write: it commits together with the operation's end. Nothing after it is run."""

    def call(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a driver once with no transaction open. It may run twice (crash after the effect): it must be
        idempotent."""

    def undo(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Say, before a call, how its effect is taken back should the operation be given up. Undone in reverse order.
        The function must succeed when there is nothing to take back; give `steps.writing(change, …)` to undo in the
        database."""

    def writing(
        self, change: Callable[Concatenate["Work", P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Callable[[], T]:
        """A function that makes this change in a transaction of its own: for `undo`."""

    def read(self, query: Callable[Concatenate["Work", P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Read the database now; not recorded, run again on every replay."""

    def wait(self, name: str, operation_id: str) -> None:
        """Let go of the thread until that operation (a child begun in a write step) has ended. Raises Refused with its
        reason when it failed."""

    def check(self) -> None:
        """Raise Cancelled when a delete has overtaken this operation, Refused when the deadline has passed."""
