"""The one writer of a process: transactions that wait for their turn share one durable commit.

A commit waits for the disk, for milliseconds, and whoever writes next waits for it. So who ends its transaction while
others wait does not commit, but leaves the open transaction to the next of them, whose own becomes a savepoint in it;
the last one commits for all. Together they are a *group*. What stays as if each had committed for itself:

- Nobody goes on before the commit of the group: what was answered is durable. Hooks run after it.
- Who fails is rolled back to its savepoint and harms nobody. It too is told only after the commit, for what it was
  refused because of ("exists already") may be another member's.
- A group whose commit fails, or whose connection is lost, was never there: every member is told why.
- Who writes alone pays nothing: no savepoint, no thread to wait for, its own commit at once.

A member waits at most for `longest`, one more member's block and the commit: who is counted as waiting does come, and
commits. Nobody in a block may wait for another thread's write: that was so before, with one writer.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.storage.engines import holds, say


class _Group:
    """Transactions that become durable by one commit, on one connection. All but `wait` is called by who has the
    turn."""

    def __init__(self, connection: Connection, idle: list[Connection]) -> None:
        """`idle`: where the connection goes when the group has been committed on it."""
        self._connection = connection
        self._idle = idle
        self._began = time.monotonic()
        self._alone = True
        self._ended = threading.Event()
        self._error: BaseException | None = None

    @property
    def open(self) -> bool:
        """Whether it has neither been committed nor lost."""
        return not self._ended.is_set()

    @property
    def age(self) -> float:
        """For how many seconds it has been open."""
        return time.monotonic() - self._began

    @property
    def connection(self) -> Connection:
        """What the member that has the turn works on."""
        return self._connection

    def admit(self) -> bool:
        """Begin one more member; False when the group turns out to be lost. Savepoints of one name lie within each
        other, and the innermost is the one that is rolled back to; the commit ends them all."""
        try:
            say(self._connection, "SAVEPOINT member")
        except sa.exc.SQLAlchemyError as error:
            self.lose(error)
            return False
        self._alone = False
        return True

    def keep(self) -> None:
        """The member ends well. Raises when its connection is lost or the database has given it up."""
        try:
            if not holds(self._connection):
                raise Unavailable("The database gave up what was to be written.", remedy="Try again shortly.")
        except BaseException as error:
            self.lose(error)
            raise

    def take_back(self) -> None:
        """The member fails: nothing of it remains. The first one's failure is the end of a group of none."""
        if self._alone:
            self.lose(None)
            return
        try:
            say(self._connection, "ROLLBACK TO SAVEPOINT member")
        except sa.exc.SQLAlchemyError as error:
            self.lose(error)

    def commit(self) -> None:
        """Make it durable, for all."""
        try:
            say(self._connection, "COMMIT")
            if self._connection.in_transaction():
                # SQLAlchemy believes that it began one, with the first statement that was its own.
                self._connection.commit()
        except BaseException as error:
            self.lose(error)
        else:
            if self._connection.invalidated or self._idle:
                self._close()
            else:
                self._idle.append(self._connection)
            self._ended.set()

    def lose(self, error: BaseException | None) -> None:
        """Nothing of it remains; its members are told why."""
        self._error = error
        with suppress(sa.exc.SQLAlchemyError):
            if not self._connection.invalidated:
                say(self._connection, "ROLLBACK")
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.rollback()
        self._close()
        self._ended.set()

    def _close(self) -> None:
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.close()

    def wait(self) -> None:
        """Wait until it is durable. Raises why it is not."""
        if (error := self.outcome()) is not None:
            raise error

    def outcome(self) -> Exception | None:
        """Wait until it is durable or lost: None, or why it is not durable."""
        self._ended.wait()
        if self._error is None or isinstance(self._error, Exception):
            return self._error
        ended = Unavailable("The server ended while it committed.", remedy="Try again shortly.")
        ended.__cause__ = self._error
        return ended


def _tried(group: _Group, block: Callable[[Connection], None]) -> Exception | None:
    """Run a block as a member of the group; why it failed, if it did."""
    try:
        block(group.connection)
        group.keep()
    except Exception as error:
        if group.open:
            group.take_back()
        return error
    except BaseException:
        group.take_back()
        raise
    return None


class Writer:
    """Gives turns to write, one at a time.

    connect: a connection whose driver begins no transaction. opening: what begins a write transaction. longest: how old
    a group may be, in seconds, to be left to one more; other servers wait for their turn too.
    """

    def __init__(self, connect: Callable[[], Connection], opening: str, longest: float = 0.02) -> None:
        self.longest = longest
        self._connect = connect
        self._opening = opening
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None
        #: The connection of the last group, at most: to take one from the pool costs more than to begin on it.
        self._idle: list[Connection] = []

    def forget_idle(self) -> None:
        """Keep no connection that was open before now."""
        while self._idle:
            self._idle.pop().close()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._waiting

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Write on this connection, alone. When the block has ended well and this returns, what was written is durable;
        when it raises, nothing of it remains (or, after the loss of the connection during the commit, perhaps all)."""
        group = self._enter()
        try:
            yield group.connection
        except BaseException:
            group.take_back()
            raise
        else:
            group.keep()
        finally:
            self._leave(group)
            group.wait()

    def turns(self, blocks: Iterable[Callable[[Connection], None]]) -> list[Exception | None]:
        """Write with each of the blocks as if each had a turn, one after the other and without a thread for each. For
        every block, once what it wrote is durable or gone: None, or why nothing of it remains."""
        groups: list[_Group] = []
        failures: list[Exception | None] = []
        group: _Group | None = None
        try:
            for block in blocks:
                group = self._following(group)
                groups.append(group)
                failures.append(_tried(group, block))
        finally:
            if group is not None:
                self._leave(group)
        return [failure or group.outcome() for failure, group in zip(failures, groups, strict=True)]

    def _following(self, group: _Group | None) -> _Group:
        """The group for the next block of who has the turn, or asks for it."""
        if group is None:
            return self._enter()
        if not group.open or not group.admit():
            group = self._group = self._begin()
        return group

    def _enter(self) -> _Group:
        with self._counting:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            group = self._group
            if group is None or not group.open or not group.admit():
                group = self._group = self._begin()
        except BaseException:
            self._turn.release()
            raise
        return group

    def _begin(self) -> _Group:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            say(connection, self._opening)
        except BaseException:
            connection.close()
            raise
        return _Group(connection, self._idle)

    def _leave(self, group: _Group) -> None:
        """Leave the group to who waits, or commit it."""
        try:
            if group.open and not (self._waiting and group.age < self.longest):
                group.commit()
        finally:
            self._turn.release()
