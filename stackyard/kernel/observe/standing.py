"""How things stand at the moment somebody asks: metrics that nobody counts, looked up for each scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stackyard import __version__
from stackyard.kernel.errors import Unavailable
from stackyard.kernel.journal.book import Book
from stackyard.kernel.nodes import Nodes
from stackyard.kernel.observe.health import Health
from stackyard.kernel.storage.database import Database
from stackyard.kernel.work import Clock

Numbers = Mapping[tuple[str, ...], float]


class Standing(Collector):
    """A collector for one server's registry. `clock`: the cloud's, by which operations are due. `in_progress`: requests
    being answered now."""

    def __init__(
        self, database: Database, clock: Clock, book: Book, nodes: Nodes, health: Health,
        in_progress: Callable[[], int],
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._book = book
        self._nodes = nodes
        self._health = health
        self._in_progress = in_progress

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: to ask for the names would ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """How things stand now. What the database alone knows is left out while it does not answer."""
        yield _gauge("build", "The version that runs.", {(__version__,): 1}, "version")
        yield _gauge("requests_in_progress", "Requests that are being answered.", {(): self._in_progress()})
        said = self._health.standing()
        yield _gauge("ready", "Whether the server can do its work.", {(): not any(said.values())})
        yield _gauge("check_ok", "Each part of that.", {(name,): not words for name, words in said.items()}, "check")
        yield from self._of_nodes()
        try:
            yield from self._of_operations()
        except Unavailable:
            return

    def _of_nodes(self) -> Iterator[Metric]:
        states = self._nodes.states()
        yield _gauge(
            "node_connected", "Whether the node is connected to this server.",
            {(each.name,): each.connected for each in states}, "node",
        )  # fmt: skip
        yield _gauge(
            "node_last_seen_timestamp_seconds", "When this server heard of the node last.",
            {(each.name,): each.last_seen.timestamp() for each in states}, "node",
        )  # fmt: skip

    def _of_operations(self) -> Iterator[Metric]:
        with self._database.read() as tx:
            counts, oldest = self._book.counts(tx), self._book.oldest_due(tx)
        states = dict.fromkeys(("queued", "running", "waiting"), 0) | counts
        dead = states.pop("dead", 0)
        yield _gauge(
            "operations_live", "Operations that have not ended, in the whole cloud.",
            {(state,): number for state, number in states.items()}, "state",
        )  # fmt: skip
        yield _gauge("dead_letters", "Operations given up that could not be undone.", {(): dead})
        waiting = max(timedelta(), self._clock.now() - oldest) if oldest else timedelta()
        yield _gauge(
            "operation_queue_age_seconds", "How long the oldest operation that could run has waited.",
            {(): waiting.total_seconds()},
        )  # fmt: skip


def _gauge(name: str, doc: str, numbers: Numbers, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"stackyard_{name}", doc, labels=labels)
    for values, number in numbers.items():
        family.add_metric(values, float(number))
    return family
