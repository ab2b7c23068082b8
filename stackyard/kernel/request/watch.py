"""Watching: a collection's changes as server-sent events, from now on or from a point in the past.

`GET <collection>?watch=1` with the list's own filters. Each event carries the object as a GET would show it to this
caller at that moment, and an id to go on from (`Last-Event-ID`, or `since`). Several changes of one object in quick
succession may come as one event. Who may not list gets no stream; who loses the right, or whose token ends, is told by
the event `end`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.errors import ApiError, BadRequest, Gone, Unavailable
from stackyard.kernel.request.endpoints import Endpoint, rendered
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.request.query import matching
from stackyard.kernel.storage import changes
from stackyard.kernel.storage.database import Database, Record, Transaction
from stackyard.kernel.work import Work

log = logging.getLogger("stackyard.watch")

#: Seconds between two looks at the log while somebody watches, and between two signs of life to a watcher.
PERIOD, HEARTBEAT = 0.1, 15.0
#: Changes read in one transaction, and up to how many matching objects a watch remembers.
BATCH, REMEMBERED = 200, 10_000
_OWN = ("watch", "since")


def asked(request: Request) -> bool:
    """Whether a request wants to watch rather than list."""
    wish = dict(request.raw_query).get("watch", "")
    return request.method == "GET" and wish.lower() in ("1", "true", "yes")


class Bell:
    """Rings for all who watch in this process when the log of changes has grown, whichever server wrote to it."""

    def __init__(self, database: Database, *, most: int = 1000) -> None:
        self.database = database
        self._most = most
        self._waiting: set[asyncio.Future[None]] = set()
        self._ringer: asyncio.Task[None] | None = None
        self._watchers = 0
        self._newest = 0
        self.closing = False

    def close(self) -> None:
        """End every watch soon. From any thread."""
        self.closing = True

    def enter(self) -> None:
        """One more watches. Raises Unavailable when there are too many."""
        if self._watchers >= self._most or self.closing:
            raise Unavailable(
                f"{self._watchers} watches are open, as many as this server takes.", headers={"Retry-After": "10"}
            )
        self._watchers += 1
        if self._ringer is None:
            self._ringer = asyncio.get_running_loop().create_task(self._ring())

    def leave(self) -> None:
        """One less watches."""
        self._watchers -= 1
        if not self._watchers and self._ringer is not None:
            self._ringer.cancel()
            self._ringer = None

    async def wait(self, position: int, timeout: float) -> None:
        """Return when there are changes after `position`, or after `timeout` seconds, or when all shall end."""
        if self._newest > position or self.closing:
            return
        ringing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(ringing)
        try:
            await asyncio.wait({ringing}, timeout=timeout)
        finally:
            self._waiting.discard(ringing)

    async def _ring(self) -> None:
        while True:
            newest = self._look()
            if newest > self._newest or self.closing:
                self._newest = max(newest, self._newest)
                for each in self._waiting:
                    if not each.done():
                        each.set_result(None)
            await asyncio.sleep(PERIOD)

    def _look(self) -> int:
        try:
            with self.database.read() as tx:
                return changes.newest(tx)
        except Unavailable:
            return self._newest


@dataclass
class Watch:
    """One caller's view of one collection. `renew(tx)`: the unit of work for a later transaction, when the caller may
    still do this; raises ApiError when not."""

    endpoint: Endpoint
    raw: Sequence[tuple[str, str]]
    renew: Callable[[Transaction], Work]
    bell: Bell
    position: int = 0
    resumed: bool = False
    #: The ids of the objects that match; None when that is not known: a watch from the past, or of too many.
    known: set[str] | None = None
    heartbeat: float = HEARTBEAT
    _allowed_until: float = 0

    @classmethod
    def begin(
        cls, work: Work, endpoint: Endpoint, request: Request, renew: Callable[[Transaction], Work], bell: Bell
    ) -> "Watch":
        """A watch from the position that the request names, or from now. Raises BadRequest for a bad position, Gone for
        one that is forgotten, and what a list with the same filters would."""
        raw = [(name, value) for name, value in request.raw_query if name not in _OWN]
        watch = cls(endpoint=endpoint, raw=raw, renew=renew, bell=bell)
        asked_from = request.headers.get("last-event-id") or dict(request.raw_query).get("since")
        watch.resumed = asked_from is not None
        watch.position = changes.newest(work.tx) if asked_from is None else _position(work.tx, asked_from)
        watch.known = watch._matching_ids(work)
        return watch

    async def events(self) -> AsyncIterator[bytes]:
        """The stream: `ready`, then the changes as they come, and a comment as a sign of life."""
        self.bell.enter()
        try:
            yield _event("ready", self.position, {})
            quiet_since = time.monotonic()
            while not self.bell.closing:
                try:
                    coming = b"".join(self._next())
                except Unavailable as error:
                    log.warning("a watch waits for the database", extra={"reason": str(error)})
                    coming = b""
                    await asyncio.sleep(1)
                except ApiError as error:
                    yield _event("end", self.position, {"code": error.status, "reason": error.message})
                    return
                if not coming and time.monotonic() - quiet_since >= self.heartbeat:
                    coming = b": still here\nid: %d\n\n" % self.position
                if coming:
                    yield coming
                    quiet_since = time.monotonic()
                await self.bell.wait(self.position, self.heartbeat)
            yield _event("end", self.position, {"code": 503, "reason": "The server stops. Connect again."})
        finally:
            self.bell.leave()

    def _next(self) -> list[bytes]:
        """The events after the position, which moves on."""
        with self.bell.database.read() as tx:
            found = changes.after(tx, self._resource.table, self.position, BATCH)
            position = int(found[-1].number) if len(found) == BATCH else changes.newest(tx)
            events = []
            if found or time.monotonic() >= self._allowed_until:
                work = self.renew(tx)
                self._allowed_until = time.monotonic() + self.heartbeat
                events = list(self._told(work, found))
        self.position = position
        return events

    def _told(self, work: Work, found: Sequence[Record]) -> Iterable[bytes]:
        """One event per object that changed, in the order of its last change."""
        last: dict[str, list[Record]] = {}
        for each in found:
            last.setdefault(each.object_id, []).append(each)
        records = self._records(work, list(last))
        for id, history in sorted(last.items(), key=lambda pair: int(pair[1][-1].number)):
            number = int(history[-1].number)
            if id in records:
                yield _event("created" if self._is_new(id, history) else "updated", number, records[id])
                self._remember(id)
            elif self._was_seen(work, id, history):
                yield _event("deleted", number, self._enveloped({self._resource.id_field: id}))
                self._forget(id)

    def _records(self, work: Work, ids: list[str]) -> Mapping[str, Any]:
        if not ids:
            return {}
        resource, room = self._resource, self.endpoint.room
        key = resource.table.c[resource.id_field]
        records = work.tx.all(self._select(work).where(key.in_(ids)))
        only = [value for name, value in self.raw if name == "fields"] if room.dialect.field_selection else []
        shown = rendered(work, room, resource, records, only)
        return {record[resource.id_field]: self._enveloped(each) for record, each in zip(records, shown, strict=True)}

    def _is_new(self, id: str, history: Sequence[Record]) -> bool:
        """Whether an object appears to this caller, be it that it was made, shared, or changed to match."""
        return any(each.kind == "created" for each in history) or (self.known is not None and id not in self.known)

    def _was_seen(self, work: Work, id: str, history: Sequence[Record]) -> bool:
        """Whether an object that this caller cannot see now was theirs to see before, as far as can be known."""
        if self.known is not None:
            return id in self.known
        before = [each.seen for each in history if each.kind != "created"]
        return bool(before) and changes.might_know(work.tx, work.caller, self._resource, before[0])

    def _select(self, work: Work) -> sa.Select[Any]:
        if self._resource.within:
            self._resource.within(work, work.params)
        return matching(work, self._resource, self.endpoint.room.dialect, self.raw)

    def _matching_ids(self, work: Work) -> set[str] | None:
        key = self._resource.table.c[self._resource.id_field]
        ids = work.tx.all(self._select(work).with_only_columns(key.label("id")).limit(REMEMBERED + 1))
        return None if self.resumed or len(ids) > REMEMBERED else {each.id for each in ids}

    def _remember(self, id: str) -> None:
        if self.known is not None:
            self.known.add(id)
            if len(self.known) > REMEMBERED:
                self.known = None

    def _forget(self, id: str) -> None:
        if self.known is not None:
            self.known.discard(id)

    def _enveloped(self, shown: Mapping[str, Any]) -> Any:
        return {self._resource.name: shown} if self.endpoint.room.dialect.envelope_one else shown

    @property
    def _resource(self) -> Resource:
        assert self.endpoint.watches is not None
        return self.endpoint.watches


def _position(tx: Transaction, text: str) -> int:
    """The position that `since` or Last-Event-ID names: an event's id, or a moment in ISO 8601."""
    if text.isascii() and text.isdecimal():
        position = int(text[:20])
        if position > changes.newest(tx):
            raise BadRequest(f"There is no event {text[:20]} yet.", field="since")
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadRequest(
                f"'{text[:40]}' is neither the id of an event nor a moment in ISO 8601.", field="since"
            ) from None
        position = changes.position_at(tx, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not changes.remembers(tx, position):
        raise Gone("Changes so long ago are forgotten.", remedy="List the collection anew and watch from now.")
    return position


def _event(kind: str, number: int, data: Any) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), msgspec.json.encode(data))
