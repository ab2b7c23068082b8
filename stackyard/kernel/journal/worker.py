"""The workers of one server: threads that claim and perform operations, and a keeper of leases and deadlines."""

import logging
import math
import threading
import time
import uuid
from datetime import datetime

import sqlalchemy as sa

from stackyard.kernel.journal.book import Book
from stackyard.kernel.journal.claims import Claims
from stackyard.kernel.journal.crash import CrashHook
from stackyard.kernel.journal.desk import Desk
from stackyard.kernel.journal.pace import Pace
from stackyard.kernel.journal.performer import Performer
from stackyard.kernel.journal.run import Claim
from stackyard.kernel.journal.tables import LIVE, OPERATIONS
from stackyard.kernel.work import Services

log = logging.getLogger("stackyard.journal")


class Alarm:
    """Wakes the keeper, and loses no ring between its look at the clock and its sleep."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it has rung: take it before looking at the clock."""
        return self._rings

    def ring(self) -> None:
        """Wake who sleeps."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def sleep(self, seen: int, timeout: float) -> None:
        """Sleep until it rings, unless it has rung since `seen`."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings != seen, timeout)


class Workers:
    """Performs the journal's operations on this server.

    `start()` brings up the threads; `run_one` and `run_all` perform in the caller's thread instead, for tests.
    `place`: what tells this server from the others on the same database, at most 8 characters, the same after every
    restart; None when there are no others. At the start the claims of the server before it, in this place, are freed.
    """

    def __init__(
        self,
        services: Services,
        book: Book,
        *,
        threads: int = 8,
        pace: Pace | None = None,
        crash_hook: CrashHook | None = None,
        place: str | None = None,
    ) -> None:
        self.server = str(uuid.uuid4()) if place is None else f"{place}-{uuid.uuid4().hex[:24]}"
        self._services = services
        self._book = book
        self._pace = pace or Pace()
        self._hook = crash_hook
        self._place = place
        self._size = threads
        self._claims = Claims(services, book, self.server, self._pace.lease)
        self._held: dict[str, Claim] = {}
        self._lock = threading.Lock()
        self._desk = Desk(self._take)
        self._alarm = Alarm()
        self._due: datetime | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        book.on_ready(self._desk.ring)
        book.on_interrupt(self._interrupted)

    def start(self) -> None:
        """Free a predecessor's claims, then start the threads. Returns at once."""
        self.recover()
        for _ in range(self._size):
            self._add_thread()
        keeper = threading.Thread(target=self._keep, name="journal-keeper", daemon=True)
        self._threads.append(keeper)
        keeper.start()

    def recover(self) -> int:
        """Queue what a dead predecessor was running; returns how many operations that were."""
        freed = self._claims.free_predecessors(self._place)
        if freed:
            log.info("%s operations go on where the server before this one left them", freed)
        self._later(self._claims.next_due())
        return freed

    def stop(self, timeout: float = 10.0) -> bool:
        """Stop at the next step boundaries and give the claims back. False when some call outlasted `timeout` seconds:
        its operation goes on at the next start."""
        self._stopping.set()
        with self._lock:
            for claim in self._held.values():
                claim.letting_go = True
        self._desk.close()
        self._alarm.ring()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def trouble(self) -> str:
        """Why operations are not being performed here, for people; empty when they are."""
        if self._stopping.is_set():
            return "the workers are stopping"
        alive = sum(thread.is_alive() for thread in self._threads)
        wanted = self._size + 1 if self._size else 0
        return f"{alive} of {wanted} threads are running" if alive < wanted else ""

    def run_one(self) -> bool:
        """Claim one operation that is due and perform it in this thread; False when none is due."""
        claims = self._take(1)
        for claim in claims:
            self._perform(claim)
        return bool(claims)

    def run_all(self) -> int:
        """Perform everything that is due in this thread; returns how many attempts that took."""
        attempts = 0
        while self.run_one():
            attempts += 1
        return attempts

    def drain(self, timeout: float = 30.0) -> None:
        """Wait until no operation is live; without threads, perform them here. Raises TimeoutError naming the rest."""
        end = time.monotonic() + timeout
        while live := self._live():
            if time.monotonic() > end:
                raise TimeoutError(f"still live after {timeout:g} s: {', '.join(live)}")
            if not self._threads:
                self.run_all()
            time.sleep(0.01)

    def _live(self) -> list[str]:
        columns = (OPERATIONS.c.action, OPERATIONS.c.resource, OPERATIONS.c.object_id, OPERATIONS.c.state)
        with self._services.database.read() as tx:
            rows = tx.all(sa.select(*columns).where(LIVE).limit(20))
        return [f"{row.action} of {row.resource} {row.object_id} ({row.state})" for row in rows]

    # ---------------------------------------------------------------------------------------------------- threads

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"journal-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            try:
                claim = self._desk.next()
                if claim is None:
                    return
                self._perform(claim)
            except Exception:
                # A database that does not answer must not cost the thread; the operation keeps its row and its lease.
                log.exception("a journal worker failed outside any step")
                self._stopping.wait(1.0)
            if threading.current_thread() not in self._threads:
                # The one in its place may be busy.
                self._desk.ring()
                return

    def _take(self, most: int) -> list[Claim]:
        """Claim so many operations at most; from here on their leases are kept."""
        claims = self._claims.take(most)
        with self._lock:
            for claim in claims:
                claim.letting_go = self._stopping.is_set()
                self._held[claim.operation.id] = claim
        return claims

    def _perform(self, claim: Claim) -> None:
        with self._lock:
            claim.thread = threading.current_thread()
        try:
            Performer(self._services, self._book, self._pace, claim, self._hook, self._later).perform()
        finally:
            with self._lock:
                if self._held.get(claim.operation.id) is claim:
                    del self._held[claim.operation.id]

    def _interrupted(self, operation_id: str) -> None:
        with self._lock:
            claim = self._held.get(operation_id)
            if claim is not None:
                claim.interrupted = True

    def _later(self, due: datetime | None) -> None:
        with self._lock:
            if due is None or (self._due is not None and self._due <= due):
                return
            self._due = due
        self._alarm.ring()

    # ----------------------------------------------------------------------------------------------------- keeper

    def _keep(self) -> None:
        beat = self._pace.lease.total_seconds() / 3
        tick = min(1.0, beat, self._pace.grace.total_seconds())
        next_beat = time.monotonic() + beat
        while not self._stopping.is_set():
            seen = self._alarm.rings
            try:
                self._ring_when_due()
                self._mind_deadlines()
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + beat
                    self._heartbeat()
            except Exception:
                log.exception("the journal's keeper failed; it goes on")
                self._stopping.wait(1.0)
            self._alarm.sleep(seen, min(tick, self._until_due()))

    def _until_due(self) -> float:
        with self._lock:
            due = self._due
        # A millisecond more, so that it is due by the clock when the sleep ends.
        return math.inf if due is None else max(0.0, (due - self._services.clock.now()).total_seconds()) + 0.001

    def _ring_when_due(self) -> None:
        with self._lock:
            if self._due is None or self._due > self._services.clock.now():
                return
            self._due = None
        self._desk.ring()
        self._later(self._claims.next_due())

    def _heartbeat(self) -> None:
        with self._lock:
            claims = list(self._held.values())
        if claims:
            for operation_id in self._claims.extend(claims):
                self._book.interrupt(operation_id)
        dropped = self._claims.reclaim(claims)
        # Others' work, begun elsewhere or left behind, is looked for here; a lone server has only its own.
        if dropped or self._place is not None:
            self._desk.ring()

    def _mind_deadlines(self) -> None:
        """Tell calls past their deadline to end; after the grace, go on without a thread that does not come back."""
        now = self._services.clock.now()
        with self._lock:
            claims = [claim for claim in self._held.values() if claim.interrupted or now >= claim.limit]
        for claim in claims:
            if claim.told_at is None:
                claim.told_at = time.monotonic()
                self._book.interrupt(claim.operation.id)
            elif time.monotonic() - claim.told_at > self._pace.grace.total_seconds():
                self._abandon(claim)

    def _abandon(self, claim: Claim) -> None:
        with self._lock:
            if self._held.get(claim.operation.id) is not claim:
                return
            del self._held[claim.operation.id]
        operation = claim.operation
        what = (operation.action, operation.resource, operation.object_id, claim.step)
        log.warning("%s of %s %s: the step '%s' does not come back; going on without it", *what)
        if claim.thread in self._threads:
            # It leaves when it comes back; until then the pool must not be one short.
            self._threads.remove(claim.thread)
            self._add_thread()
        self._claims.release(claim)
        self._book.wake()
