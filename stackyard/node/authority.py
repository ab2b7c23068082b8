"""Who is a node of this cloud: join tokens, certificates, revocation. One for all servers, in their shared database."""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from stackyard.kernel import enrolment
from stackyard.kernel.steps import Refused
from stackyard.kernel.storage.database import Database

if TYPE_CHECKING:
    from stackyard.node.certificates import Issued, Signer

#: How long a node's certificate is good; it is renewed after two thirds of that.
LIFETIME = timedelta(days=30)
#: A server that has not said for so long that it listens is not named to nodes any more.
_SERVER_IS_GONE = timedelta(minutes=1)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


class Denied(Refused):
    """This node is not let in; the text says why and what to do."""


class ServerList(Protocol):
    """What servers offer their nodes."""

    def addresses(self) -> list[str]:
        """Where the servers of the cloud listen now, each as ADDRESS:PORT."""


class KnownNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node that has joined. `revoked`: every certificate of its is revoked."""

    name: str
    joined_at: datetime
    expires_at: datetime
    revoked: bool


class Authority:
    """Decides who is let in, and signs. The key is made at the first need and stays in the database."""

    def __init__(self, database: Database, now: Callable[[], datetime], lifetime: timedelta = LIFETIME) -> None:
        self._database = database
        self._now = now
        self._lifetime = lifetime
        self._signer: Signer | None = None
        #: The host of the server itself: no other machine can be it.
        self.own_node: str | None = None

    @property
    def signer(self) -> "Signer":
        """The authority's certificate and key, made when there is none yet."""
        if self._signer is None:
            # Imported here because most servers let nobody in.
            from stackyard.node.certificates import Signer

            with self._database.write() as tx:
                known = enrolment.authority(tx)
                if known is None:
                    certificate, key = Signer.create(self._now())
                    enrolment.set_authority(tx, certificate, key, self._now())
                else:
                    certificate, key = known.certificate, known.key
            self._signer = Signer(certificate, key)
        return self._signer

    def server_identity(self) -> str:
        """Key and certificate for a server, in PEM: made anew for each process, stored nowhere."""
        return self.signer.issue_to_server(self._now(), timedelta(days=365))

    # -- tokens --

    def new_token(self, good_for: timedelta) -> str:
        """A token that lets one node in, once, within that time. Only its digest is kept."""
        # Hexadecimal: one that began with a dash would be taken for an option where it is typed.
        secret = secrets.token_hex(24)
        now = self._now()
        signer = self.signer
        with self._database.write() as tx:
            enrolment.add_token(tx, _digest(secret), now, now + good_for)
        return f"{secret}.{signer.fingerprint}"

    # -- certificates --

    def join(self, token: str, request: str, name: str) -> "Issued":
        """The first certificate of a node. The same request by the same key may be made again, should the answer have
        been lost. Raises Denied."""
        if not _NAME.fullmatch(name):
            raise Denied(f"{name!r} is no name of a host: use letters, digits, dots and hyphens, at most 63")
        key = _key_of(request)
        digest, now, signer = _digest(token.partition(".")[0]), self._now(), self.signer
        with self._database.write() as tx:
            known = enrolment.token(tx, digest)
            if known is None:
                raise Denied("the token is not one of this cloud: make one with: stackyard node token")
            if known.expires_at <= now:
                raise Denied(f"the token expired at {known.expires_at:%Y-%m-%d %H:%M:%S} UTC: make a new one")
            if known.used_at is not None and (known.used_by, known.used_key) != (name, key):
                raise Denied(f"the token has been used, by node {known.used_by}: make a new one")
            if name == self.own_node or any(each.key != key for each in enrolment.good_of(tx, name, now)):
                raise Denied(
                    f"there is a node {name} already: choose another --name, or revoke it first: "
                    f"stackyard node revoke {name}"
                )
            issued = signer.issue_to_node(request, name, now, self._lifetime)
            enrolment.use_token(tx, digest, name, key, now)
            enrolment.add_certificate(tx, _written(issued))
        return issued

    def renew(self, serial: str, request: str) -> "Issued":
        """A further certificate for the node that has shown this one. Raises Denied."""
        _key_of(request)
        now, signer = self._now(), self.signer
        with self._database.write() as tx:
            if not enrolment.good(tx, [serial], now):
                raise Denied("the certificate is revoked or has ended: join again with a new token")
            node = next(each.node for each in enrolment.certificates(tx) if each.serial == serial)
            enrolment.forget_expired(tx, node, now)
            issued = signer.issue_to_node(request, node, now, self._lifetime)
            enrolment.add_certificate(tx, _written(issued))
        return issued

    def for_own_node(self, request: str, name: str) -> "Issued":
        """A certificate for the node in a server's own process, with which it connects to the other servers."""
        now, signer = self._now(), self.signer
        with self._database.write() as tx:
            enrolment.forget_expired(tx, name, now)
            issued = signer.issue_to_node(request, name, now, self._lifetime)
            enrolment.add_certificate(tx, _written(issued))
        return issued

    def good(self, serials: Collection[str]) -> set[str]:
        """Which of these certificates let a node in now."""
        with self._database.read() as tx:
            return enrolment.good(tx, serials, self._now())

    def revoke(self, node: str) -> None:
        """This node is let in no more. Raises Denied when there is none of that name."""
        with self._database.write() as tx:
            if not enrolment.revoke(tx, node, self._now()):
                raise Denied(f"no node of the name {node} has a certificate that is good")

    def nodes(self) -> list[KnownNode]:
        """Every node that has joined, by name."""
        with self._database.read() as tx:
            found: dict[str, KnownNode] = {}
            for each in enrolment.certificates(tx):
                before = found.get(each.node)
                found[each.node] = KnownNode(
                    name=each.node, joined_at=before.joined_at if before else each.issued_at,
                    expires_at=each.expires_at, revoked=each.revoked_at is not None,
                )  # fmt: skip
        return list(found.values())

    # -- servers --

    def listens(self, address: str) -> None:
        """A server takes connections there; said again from time to time."""
        with self._database.write() as tx:
            enrolment.server_listens(tx, address, self._now())

    def left(self, address: str) -> None:
        """A server does so no longer."""
        with self._database.write() as tx:
            enrolment.server_left(tx, address)

    def addresses(self) -> list[str]:
        """See ServerList."""
        with self._database.read() as tx:
            return enrolment.servers(tx, self._now() - _SERVER_IS_GONE)


def _key_of(request: str) -> str:
    from stackyard.node.certificates import BadRequestForCertificate, key_digest

    try:
        return key_digest(request)
    except BadRequestForCertificate as wrong:
        raise Denied(str(wrong)) from wrong


def _written(issued: "Issued") -> dict[str, object]:
    return {
        "serial": issued.serial, "node": issued.node, "key": issued.key, "issued_at": issued.issued_at,
        "expires_at": issued.expires_at,
    }  # fmt: skip


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
