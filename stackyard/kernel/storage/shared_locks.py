"""Names that one server of the cloud holds at a time, for as long as it likes and no longer than it lives.

On PostgreSQL they are advisory locks of one session that is kept for them: they end with it, and it ends with its
server, however that ends. A cloud on SQLite has one server, which holds whatever it asks for.
"""

import hashlib
import logging
import threading

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.storage.engines import meaning

log = logging.getLogger("stackyard.shared_locks")


class SharedLocks:
    """One server's hold on names. It does not tell its own threads from each other: who asks twice gets it twice, and
    the first to release it releases it for both."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_alone = engine.dialect.name == "sqlite"
        self._lock = threading.Lock()
        self._session: Connection | None = None
        self._held: set[str] = set()

    def take(self, name: str) -> bool:
        """Hold a name from now on; False while another server does. Raises Unavailable."""
        if self._is_alone:
            return True
        with self._lock:
            if name not in self._held and self._ask(f"SELECT pg_try_advisory_lock({_key(name)})"):
                self._held.add(name)
            return name in self._held

    def release(self, name: str) -> None:
        """Hold it no more; no error when it was lost meanwhile."""
        with self._lock:
            if name not in self._held:
                return
            self._held.discard(name)
            try:
                self._ask(f"SELECT pg_advisory_unlock({_key(name)})")
            except Unavailable as away:
                log.info("what was held is free because the database went away: %s", away)

    def stands(self, name: str) -> bool:
        """Whether it was held all the time since it was taken: no other server can have had it. Asked in a write
        transaction, that is so until its end for whoever takes the name before writing."""
        if self._is_alone:
            return True
        with self._lock:
            try:
                return name in self._held and bool(self._ask("SELECT true"))
            except Unavailable:
                return False

    def close(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._forget()

    def _ask(self, statement: str) -> object:
        try:
            if self._session is None:
                self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            return self._session.exec_driver_sql(statement).scalar()
        except sa.exc.SQLAlchemyError as error:
            self._forget()
            raise meaning(error) or error from error

    def _forget(self) -> None:
        """The session is gone, and with it whatever was held."""
        self._held.clear()
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()


def _key(name: str) -> int:
    """PostgreSQL's names for locks are numbers of 64 bits; those of one number, which others use here, are small."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, person=b"stackyard").digest(), signed=True)
