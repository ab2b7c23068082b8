"""What the servers of one cloud tell each other, and the time they share.

Servers meet in the database only. A post is part of the transaction it is made in: the others hear it when that
commits, within milliseconds, by PostgreSQL's LISTEN and NOTIFY. It may get lost with a connection, so whoever listens
also looks from time to time. On SQLite there is one server, and nobody to tell.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.errors import ApiError
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Clock, SystemClock

log = logging.getLogger("stackyard.bulletin")

_CHANNEL = "stackyard"
_PAUSE = 1.0
_LOOKS = 4


class Bulletin:
    """One server's ear and voice. `start` listens in a thread until `stop`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._me = uuid.uuid4().hex
        self._heard: dict[str, Callable[[str], None]] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def on(self, topic: str, hear: Callable[[str], None]) -> None:
        """Call `hear(word)` when another server posts on this topic. It runs in the listening thread: be quick."""
        self._heard[topic] = hear

    def post(self, tx: Transaction, topic: str, word: str = "") -> None:
        """Tell the other servers once this transaction has committed."""
        if not self._database.is_sqlite:
            tx.execute(_NOTIFY.bindparams(channel=_CHANNEL, said=f"{self._me} {topic} {word}"))

    def say(self, topic: str, word: str = "") -> None:
        """Tell the other servers now. Nothing is written; when the database does not answer, nobody is told."""
        if self._database.is_sqlite:
            return
        try:
            with self._database.read(held=False) as tx:
                self.post(tx, topic, word)
        except ApiError as error:
            log.warning("the other servers are not told about %s: %s", topic, error)

    def start(self) -> None:
        """Listen, and go on listening when the database was away. Returns at once."""
        if self._database.is_sqlite:
            return
        self._thread = threading.Thread(target=self._listen, name="bulletin", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen_on_one_connection()
            except (ApiError, sa.exc.SQLAlchemyError, OSError) as error:
                log.warning("the other servers are not heard, for the database does not answer: %s", error)
                self._stopping.wait(_PAUSE)

    def _listen_on_one_connection(self) -> None:
        with self._database.outside() as connection:
            connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
            driver: Any = connection.connection.driver_connection
            while not self._stopping.is_set():
                try:
                    said = [each.payload for each in driver.notifies(timeout=0.5, stop_after=1)]
                except _driver_errors() as error:
                    connection.invalidate()
                    raise OSError(str(error)) from error
                for each in said:
                    self._hear(each)

    def _hear(self, said: str) -> None:
        sender, topic, word = said.split(" ", 2)
        if sender == self._me or topic not in self._heard:
            return
        try:
            self._heard[topic](word)
        except Exception:
            log.exception("what another server said about %s was not heeded", topic)


class DatabaseClock(SystemClock):
    """The database's time, so that servers whose own clocks differ by minutes agree on leases and deadlines.

    Between two looks at the database (every `every`) the machine's monotonic clock carries it on: a step of the wall
    clock changes nothing, and a database that is away neither.
    """

    def __init__(self, database: Database, every: timedelta = timedelta(minutes=1)) -> None:
        self._database = database
        self._every = every.total_seconds()
        self._ahead: float | None = None
        self._looked = 0.0
        self._looking = threading.Lock()

    def now(self) -> datetime:
        """The present moment, UTC, by the database's clock. Raises Unavailable when it has never answered."""
        if self._ahead is None:
            self._ahead = self._look()
        elif time.monotonic() - self._looked >= self._every and self._looking.acquire(blocking=False):
            # In a thread of its own: nobody who asks for the time is to wait for the database.
            threading.Thread(target=self._look_again, name="clock", daemon=True).start()
        return datetime.fromtimestamp(time.monotonic() + self._ahead, UTC)

    def _look_again(self) -> None:
        try:
            self._ahead = self._look()
        except ApiError as error:
            log.warning("the time goes on by this machine's own count: %s", error)
        finally:
            self._looked = time.monotonic()
            self._looking.release()

    def _look(self) -> float:
        """How far the database's time is ahead of the monotonic clock, in seconds."""
        looks: list[tuple[float, float]] = []
        with self._database.outside() as connection:
            for _ in range(_LOOKS):
                began = time.monotonic()
                told = float(connection.execute(_NOW).scalar_one())
                ended = time.monotonic()
                looks.append((ended - began, told - (began + ended) / 2))
        self._looked = ended
        # The quickest answer is the most precise one.
        return min(looks)[1]


def cloud_clock(database: Database) -> Clock:
    """One time for all servers: the database's, unless that is a file on this machine."""
    return SystemClock() if database.is_sqlite else DatabaseClock(database)


def _driver_errors() -> type[Exception]:
    # Imported here because a cloud on SQLite must not pay for it.
    import psycopg

    return psycopg.Error


_NOTIFY = sa.text("SELECT pg_notify(:channel, :said)")
_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())")
