"""The audit trail's way to an HTTP endpoint."""

import logging
import time
from collections.abc import Sequence
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from stackyard.kernel.observe.sinks import Count

log = logging.getLogger("stackyard.audit")

#: Notifications that wait for an HTTP endpoint; more are lost. How many are sent at once.
MOST_WAITING, BATCH = 10_000, 200
#: Seconds: for an answer, between tries at first and at most, and at the end of the server.
_TIMEOUT, _FIRST_PAUSE, _LONGEST_PAUSE, _PARTING = 10.0, 0.5, 30.0, 3.0


class Posts:
    """An HTTP endpoint: notifications are posted as JSON arrays, in order, from a thread of its own, again and again
    until the endpoint takes them (2xx) or refuses them for good (4xx, but 408 and 429)."""

    def __init__(self, url: str, count: "Count") -> None:
        self._url = url
        self._count = count
        self._waiting: Queue[bytes] = Queue(MOST_WAITING)
        self._ending = Event()
        self._over = float("inf")
        self._thread = Thread(target=self._run, name="audit-http", daemon=True)
        self._thread.start()

    def put(self, notifications: Sequence[bytes]) -> None:
        """See Sink."""
        for number, each in enumerate(notifications):
            try:
                self._waiting.put_nowait(each)
            except Full:
                self._count("lost", len(notifications) - number)
                return

    def reopen(self) -> None:
        """See Sink: there is no file."""

    def close(self) -> None:
        """See Sink."""
        self._over = time.monotonic() + _PARTING
        self._ending.set()
        self._thread.join(_PARTING + 1)

    def _run(self) -> None:
        with requests.Session() as session:
            # The endpoint is the operator's own choice; a proxy of the environment is for other traffic.
            session.trust_env = False
            while batch := self._next():
                outcome = "written" if self._deliver(session, batch) else "lost"
                self._count(outcome, len(batch))

    def _next(self) -> list[bytes]:
        """What is to be sent next; nothing: it is over."""
        while True:
            try:
                batch = [self._waiting.get(timeout=0.1)]
            except Empty:
                if self._ending.is_set():
                    return []
                continue
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            return batch

    def _deliver(self, session: requests.Session, batch: Sequence[bytes]) -> bool:
        body, pause, said = b"[" + b",".join(batch) + b"]", _FIRST_PAUSE, ""
        while True:
            verdict, reason = _posted(session, self._url, body)
            if verdict is not None:
                return verdict
            if reason != said:
                log.warning("the audit endpoint does not take events", extra={"url": self._url, "reason": reason})
            said = reason
            if time.monotonic() + pause > self._over:
                return False
            # At the server's end there is no long sleep: what can be delivered in the seconds that are left is.
            self._ending.wait(pause) if not self._ending.is_set() else time.sleep(min(pause, 0.2))
            pause = min(pause * 2, _LONGEST_PAUSE)


def _posted(session: requests.Session, url: str, body: bytes) -> tuple[bool | None, str]:
    """Whether the endpoint has taken it, or refused it for good; None: it is worth another try, and why."""
    try:
        answer = session.post(url, data=body, timeout=_TIMEOUT, headers={"Content-Type": "application/json"})
    except requests.RequestException as error:
        return None, type(error).__name__
    if answer.ok:
        return True, ""
    if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):
        log.error("the audit endpoint refuses events", extra={"url": url, "status": answer.status_code})
        return False, ""
    return None, f"status {answer.status_code}"
