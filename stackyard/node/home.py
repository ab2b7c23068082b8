"""A node's own folder: who it is, its key and certificate, where the servers are. No more: a node knows no database, no
users and no rules.
"""

import os
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stackyard.kernel.settings import UnreadableSettings
from stackyard.kernel.steps import Transient
from stackyard.node import admission, certificates
from stackyard.node.admission import Connect, Join, Renew, dial
from stackyard.node.authority import Denied
from stackyard.node.tls import LINK, TlsTransport

FILE = "node.json"
_AUTHORITY, _IDENTITY, _NEW_KEY = "authority.pem", "identity.pem", "new-key.pem"
_HANDSHAKE = 10.0


class Record(msgspec.Struct, kw_only=True):
    """What was settled when the node joined, and the servers it was told of last.

    cloud_id: marks all that the node makes on its host; its own, so that several nodes can share a machine.
    """

    name: str
    servers: list[str]
    engine: str = "private"
    cloud_id: str = msgspec.field(default_factory=lambda: secrets.token_hex(2))


class Home:
    """The folder, readable by its owner only."""

    def __init__(self, folder: Path, connect: Connect = dial) -> None:
        self.folder = folder
        self._dial = connect
        self._lock = threading.Lock()

    def record(self) -> Record:
        """What is written down. Raises FileNotFoundError before the node has joined, UnreadableSettings."""
        path = self.folder / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except msgspec.DecodeError as error:
            raise UnreadableSettings(f"{path} holds nothing of a node: {error}. Mend it, or put it away") from error

    def join(self, address: str, token: str, name: str, engine: str = "private") -> Record:
        """Become a node of the cloud whose server listens at the address. Raises Denied, Transient, and ValueError for
        an address or a token that cannot be one. Again is fine after a failure, or when it was revoked: what marks its
        things on the host is kept."""
        admission.split(address)
        before = self.record() if (self.folder / FILE).exists() else None
        secret, _, fingerprint = token.strip().partition(".")
        if not secret or len(fingerprint) != 64:
            raise ValueError("this is no join token; `stackyard node token` prints one")
        authority = admission.authority_of(address, fingerprint, self._dial)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key = self._new_key()
        granted = admission.join(
            address, authority, Join(token.strip(), name, certificates.request_for(key)), self._dial
        )
        self._write(_AUTHORITY, authority)
        self._write(_IDENTITY, key + granted.certificate)
        (self.folder / _NEW_KEY).unlink()
        settled = Record(name=name, servers=granted.servers or [address], engine=engine)
        if before is not None:
            settled.engine, settled.cloud_id = before.engine, before.cloud_id
        self._write(FILE, msgspec.json.format(msgspec.json.encode(settled), indent=2).decode())
        return settled

    def servers_are(self, servers: list[str]) -> None:
        """Remember where the servers are."""
        known = self.record()
        if sorted(servers) != sorted(known.servers):
            known.servers = sorted(servers)
            self._write(FILE, msgspec.json.format(msgspec.json.encode(known), indent=2).decode())

    def connect(self, address: str) -> TlsTransport:
        """An authenticated connection to a server, for a link. Raises OSError."""
        authority, identity = self._authority(), (self.folder / _IDENTITY).read_text()
        context = certificates.client_context(LINK, authority, identity)
        transport = TlsTransport(self._dial(address, _HANDSHAKE), context, is_server=False)
        transport.handshake(_HANDSHAKE)
        return transport

    def expires_at(self) -> datetime:
        """Until when the certificate is good."""
        return certificates.validity((self.folder / _IDENTITY).read_text())[1]

    def renew_when_due(self, now: datetime | None = None) -> bool:
        """Have a new key certified once two thirds of the certificate's time are over; whether that was done. Raises
        Denied when every server that answered refused, Transient when none answered."""
        with self._lock:
            identity = (self.folder / _IDENTITY).read_text()
            begin, end = certificates.validity(identity)
            if (now or datetime.now(UTC)) < begin + (end - begin) * 2 / 3:
                return False
            settled = self.record()
            key = self._new_key()
            asked = Renew(certificates.request_for(key))
            failures: list[Denied | Transient] = []
            for address in settled.servers:
                try:
                    granted = admission.renew(address, self._authority(), identity, asked, self._dial)
                except (Denied, Transient) as failure:
                    failures.append(failure)
                    continue
                self._write(_IDENTITY, key + granted.certificate)
                (self.folder / _NEW_KEY).unlink()
                return True
            raise next((each for each in failures if isinstance(each, Denied)), failures[0])

    def _authority(self) -> str:
        return (self.folder / _AUTHORITY).read_text()

    def _new_key(self) -> str:
        """The key that is about to be certified: the same one until it is, so that asking again is the same request."""
        try:
            return (self.folder / _NEW_KEY).read_text()
        except FileNotFoundError:
            key = certificates.new_key()
            self._write(_NEW_KEY, key)
            return key

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all, and for the owner only."""
        scratch = self.folder / f".{name}.new"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.folder / name)
