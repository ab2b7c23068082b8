"""Runs reconcilers: each at start, when signalled, by its period, and by hand, and never twice at the same time, on
whichever server of the cloud.

What each found and did last is kept for `stackyard status`.
"""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import datetime

import msgspec

from stackyard.kernel.errors import NotFound
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.work import Services

log = logging.getLogger("stackyard.reconcilers")


class Status(msgspec.Struct, kw_only=True):
    """How a reconciler did last: when, how long, what it found or the error that ended it. `runs`: since the start."""

    name: str
    doc: str
    every_seconds: float
    runs: int = 0
    began_at: datetime | None = None
    seconds: float = 0.0
    report: Report | None = None
    error: str | None = None


class _Loop:
    """One reconciler with its thread."""

    def __init__(self, services: Services, reconciler: Reconciler) -> None:
        self.reconciler = reconciler
        self.status = Status(
            name=reconciler.name, doc=reconciler.doc, every_seconds=reconciler.every.total_seconds()
        )
        self.thread = threading.Thread(target=self._run, name=f"reconcile-{reconciler.name}", daemon=True)
        self._services = services
        self._turn = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def signal(self) -> None:
        self._wanted.set()

    def end(self) -> None:
        self._stopping.set()
        self._wanted.set()

    def once(self) -> Report:
        with self._turn:
            # Cleared before the run: what is signalled while it runs may not have been seen by it, and means another.
            self._wanted.clear()
            began = time.monotonic()
            status = msgspec.structs.replace(
                self.status, runs=self.status.runs + 1, began_at=self._services.clock.now(), report=None, error=None
            )
            try:
                with self._services.database.alone(f"reconcile {self.reconciler.name}"):
                    status.report = self.reconciler.run(self._services)
                return status.report
            except Exception as error:
                status.error = f"{type(error).__name__}: {error}"
                raise
            finally:
                status.seconds = time.monotonic() - began
                self.status = status
                self._services.observer.reconciled(status)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self.reconciler.every.total_seconds()
            try:
                report = self.once()
                pause = min(pause, report.again_within if report.again_within is not None else pause)
                if report.repaired or report.failed:
                    log.info("%s: %s", self.reconciler.name, "; ".join([*report.repaired, *report.failed]))
            except Exception:
                log.exception("the reconciler %s failed; it runs again in its time", self.reconciler.name)
            if not self._stopping.is_set():
                self._wanted.wait(pause)


class Reconcilers:
    """All reconcilers of a cloud."""

    def __init__(self, services: Services, reconcilers: Iterable[Reconciler]) -> None:
        self._services = services
        self._loops: dict[str, _Loop] = {}
        for each in reconcilers:
            if each.name in self._loops:
                raise ValueError(f"two reconcilers are called {each.name!r}")
            self._loops[each.name] = _Loop(services, each)

    def start(self) -> None:
        """Run each now, and from then on by its period and its signals, in a thread of its own. Returns at once."""
        for loop in self._loops.values():
            loop.thread.start()

    def wait_for_first_round(self, timeout: float) -> bool:
        """Wait until each has looked once since the start, so that what the API says is what is; False when some had
        not after `timeout` seconds."""
        end = time.monotonic() + timeout
        while any(loop.status.runs == 0 for loop in self._loops.values()):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def stop(self, timeout: float = 10.0) -> bool:
        """Let the runs under way end; False when some lasted longer than `timeout` seconds."""
        for loop in self._loops.values():
            loop.end()
        end = time.monotonic() + timeout
        for loop in self._loops.values():
            if loop.thread.ident is not None:
                loop.thread.join(max(0.0, end - time.monotonic()))
        return not any(loop.thread.is_alive() for loop in self._loops.values())

    def signal(self, name: str) -> None:
        """Run that reconciler soon, in its thread. Many signals before it runs are one. Raises NotFound."""
        self._loop(name).signal()

    def run_once(self, name: str) -> Report:
        """Run it now, in this thread, after any run under way. Raises NotFound, and what the reconciler raises."""
        return self._loop(name).once()

    def names(self) -> list[str]:
        """What there is to run."""
        return list(self._loops)

    def statuses(self) -> list[Status]:
        """How each did last."""
        return [loop.status for loop in self._loops.values()]

    def mismatches(self) -> list[Mismatch]:
        """What all would mend, without mending it: for `stackyard check`. A check that fails is a mismatch too."""
        found: list[Mismatch] = []
        for loop in self._loops.values():
            try:
                found += loop.reconciler.check(self._services)
            except Exception as error:
                log.exception("the check of %s failed", loop.reconciler.name)
                text = f"could not be checked: {type(error).__name__}: {error}"
                found.append(Mismatch(kind="check", object_id=loop.reconciler.name, text=text))
        return found

    def _loop(self, name: str) -> _Loop:
        try:
            return self._loops[name]
        except KeyError:
            known = ", ".join(self._loops) or "none"
            raise NotFound(f"There is no reconciler {name!r}.", remedy=f"There are: {known}.") from None
