"""The journal: what the cloud has promised to do, each step of it, and who did it.

Wiring, in `assemble`::

    book = Book(rooms)                              # work.Journal: what rules call through work.begin and work.event
    services = Services(journal=book, …)
    workers = Workers(services, book, crash_hook=from_environment(os.environ))   # threads that perform the operations
    book.on_interrupt(link.cancel)                  # link.cancel(operation_id): end its call in flight, raise Cancelled
    Reconcilers(services, [auditing(book), pruning(), …])
    workers.start()                                 # frees the claims of the server before it: recovery only re-queues
    …
    workers.stop(timeout=10)                        # at step boundaries; what is left goes on at the next start
    why(tx, book, asked)                            # the stories behind an id, for `stackyard why`

A room writes the steps of an operation as one plain function::

    def create(steps: Steps, container: Record) -> None:
        driver = steps.nodes.driver(container.host, "container")
        steps.undo("remove the sandbox", driver.remove_sandbox, container.id)
        steps.call("make the sandbox", driver.ensure_sandbox, sandbox_spec(container))
        steps.end("is created", store.set_status, container.id, "Created")

Rules to write by
- The function is run again from its start after a crash, a failure or a wait. Steps that are done answer from the
  record; so between steps it must be deterministic: branch on `container`, `steps.inputs` and steps' results only.
- `container` is the row as it was when the operation first ran, in every replay. `steps.read` reads what is there now.
- A result comes back as JSON does: structs and records as `Record`, tuples as lists, moments as text.
- A *call* may run twice (a crash after its effect), and so may an undo: both must be idempotent. A *write* commits with
  its mark, once, and with the mark of the call before it.
- `steps.undo` comes before the call it takes back, and must succeed when there is nothing to take back.
- The last write, `steps.end`, sets the stable state; the operation ends with it. Raise `Refused(reason)` to give up,
  `Transient` to be tried again until the deadline; any other exception is tried three times. A `Refused` must not be
  caught in order to go on.
- A child: `child = steps.write("begin the port", begin_port, …)` with `work.begin(…, parent=steps.operation_id)`
  inside, then `steps.wait("the port is up", child)`.
- The delete that overtakes ends the running operation at its next step without undo: delete must clean everything.
"""

from stackyard.kernel.journal.audit import auditing
from stackyard.kernel.journal.book import Book
from stackyard.kernel.journal.crash import from_environment
from stackyard.kernel.journal.pace import Pace
from stackyard.kernel.journal.pruning import pruning
from stackyard.kernel.journal.tables import TABLES
from stackyard.kernel.journal.timeline import Line, timeline
from stackyard.kernel.journal.why import Story, why
from stackyard.kernel.journal.worker import Workers

__all__ = [
    "TABLES", "Book", "Line", "Pace", "Story", "Workers", "auditing", "from_environment", "pruning", "timeline", "why",
]
