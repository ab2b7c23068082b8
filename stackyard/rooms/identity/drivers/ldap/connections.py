"""Connections to an LDAP directory: opened, secured, bound, kept for a while, given up when they fail."""

import queue
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException, LDAPResponseTimeoutError

from stackyard.rooms.identity.driver import Away, Misconfigured
from stackyard.rooms.identity.drivers.ldap.options import LdapOptions

Answer = TypeVar("Answer")
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
#: What says that nobody answers any more, and nothing of what was asked.
_LOST = (LDAPCommunicationError, LDAPResponseTimeoutError)
_VERIFY = {"demand": ssl.CERT_REQUIRED, "allow": ssl.CERT_OPTIONAL, "never": ssl.CERT_NONE}


class Connections:
    """Connections bound as the configured user, each used by one thread at a time; and single ones, for passwords."""

    def __init__(self, options: LdapOptions) -> None:
        self._options = options
        self._idle: queue.LifoQueue[tuple[Any, float]] = queue.LifoQueue(options.pool_size)

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """What a bound connection answers. One that was kept may have been ended by the server meanwhile: the question
        is asked again on a fresh one then. Raises Away, Misconfigured."""
        kept = self._kept()
        if kept is not None:
            try:
                return self._asked(*kept, question)
            except _LOST:
                pass
        connection = self._searcher()
        with _told(connection):
            return self._asked(connection, time.monotonic(), question)

    def _asked(self, connection: Any, opened: float, question: Callable[[Any], Answer]) -> Answer:
        try:
            answer = question(connection)
        except BaseException:
            _end(connection)
            raise
        self._keep(connection, opened)
        return answer

    def may_bind(self, name: str, password: str) -> bool:
        """Whether the directory lets somebody in with that password. Raises Away, Misconfigured."""
        # As bytes, for nothing is to be made of it: what prepares text refuses some, and empties others.
        connection = self._opened(name, password.encode())
        try:
            with _told(connection):
                connection.bind()
                return bool(connection.result["result"] == _SUCCESS)
        finally:
            _end(connection)

    def close(self) -> None:
        """End those that are kept."""
        while True:
            try:
                _end(self._idle.get_nowait()[0])
            except queue.Empty:
                return

    def _kept(self) -> tuple[Any, float] | None:
        """A connection that was kept and is not too old."""
        while True:
            try:
                connection, opened = self._idle.get_nowait()
            except queue.Empty:
                return None
            if time.monotonic() - opened < self._options.lifetime:
                return connection, opened
            _end(connection)

    def _keep(self, connection: Any, opened: float) -> None:
        try:
            if self._options.pool_size:
                self._idle.put_nowait((connection, opened))
                return
        except queue.Full:
            pass
        _end(connection)

    def _searcher(self) -> Any:
        connection = self._opened(self._options.user, self._options.password)
        try:
            with _told(connection):
                connection.bind()
        except (Away, Misconfigured):
            _end(connection)
            raise
        code, said = connection.result["result"], connection.result["description"]
        if code == _SUCCESS:
            return connection
        _end(connection)
        if code == _INVALID_CREDENTIALS:
            raise Misconfigured("user, password: the directory does not let them in")
        raise Away(f"{connection.server.name}: {said}")

    def _opened(self, user: str | None, password: str | bytes | None) -> Any:
        """A connection to the first server that answers."""
        problems = []
        for url in self._options.urls:
            try:
                return self._open(url, user, password)
            except (LDAPException, OSError, ssl.SSLError) as error:
                problems.append(f"{url}: {error}")
        raise Away("; ".join(problems))

    def _open(self, url: str, user: str | None, password: str | bytes | None) -> Any:
        tls = self._options.tls
        trusting = ldap3.Tls(
            validate=_VERIFY[tls.required], ca_certs_file=tls.ca_file, ca_certs_path=tls.ca_folder,
        )  # fmt: skip
        server = ldap3.Server(url, tls=trusting, get_info=ldap3.NONE, connect_timeout=self._options.patience)
        connection = ldap3.Connection(
            server, user=user, password=password, client_strategy=ldap3.SYNC, read_only=True, check_names=False,
            receive_timeout=max(1, round(self._options.patience)), auto_referrals=False,
            authentication=ldap3.SIMPLE if user else ldap3.ANONYMOUS,
        )  # fmt: skip
        connection.open(read_server_info=False)
        if tls.start and not connection.start_tls(read_server_info=False):
            raise LDAPException(f"it does not speak TLS: {connection.result['description']}")
        return connection


@contextmanager
def _told(connection: Any) -> Iterator[None]:
    """Raise Away when the server is lost, and Misconfigured for what is wrong whoever asks."""
    try:
        yield
    except _LOST as error:
        raise Away(f"{connection.server.name}: {error}") from error
    except LDAPException as error:
        raise Misconfigured(f"{connection.server.name}: {error}") from error


def _end(connection: Any) -> None:
    # If it is gone already, that is what was wanted.
    with suppress(LDAPException, OSError):
        connection.unbind()
