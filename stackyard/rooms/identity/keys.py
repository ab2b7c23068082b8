"""The keys of tokens and credentials: rings that all servers of the cloud share, rotated as Keystone rotates its own.

A ring has a *primary* key, which makes things; a *staged* one, the next primary; and *secondary* ones, which still read
what they made. The rows are sealed with the cloud's secret. A ring is read in the transaction that uses it, so what one
server has made under a key, every other can read from the moment that key exists: a rotation is never noticed.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from stackyard.kernel.secret import FILE, CloudSecret
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.rooms.identity import store

_OTHER_SECRET = (
    f"the keys in this cloud's database were sealed with a secret that {FILE} in the state folder does not hold: copy "
    f"{FILE} from the state folder of another server of this cloud, or from a backup"
)

Use = Literal["token", "jws", "credential", "saml", "saml-encryption"]


@dataclass(frozen=True)
class Key:
    """A key of a ring. `state` is staged, primary or secondary, `since` when it became so."""

    id: str
    state: str
    since: datetime
    secret: bytes = field(repr=False)


class Ring:
    """The keys of one use. What it says holds in the transaction it was asked in."""

    def __init__(self, use: Use, secret: CloudSecret, make: Callable[[], bytes]) -> None:
        self.use = use
        self._secret = secret
        self._make = make
        self._read: tuple[int, Sequence[Key]] | None = None

    def keys(self, tx: Transaction, version: int | None = None) -> Sequence[Key]:
        """The primary first, then those that only read, the newest first. `version`: the room's change counter, if it
        was read in this transaction already; while it stands, the keys of the last time do."""
        known = self._read
        if known is not None and version is not None and known[0] == version:
            return known[1]
        found = [Key(row.id, row.state, row.since, self._opened(row.sealed)) for row in store.keys(tx, self.use)]
        keys = tuple(sorted(found, key=lambda each: each.state != "primary"))
        if version is not None and not tx.writable:
            self._read = version, keys
        return keys

    def ensure(self, tx: Transaction, now: datetime) -> None:
        """Make the first keys where there are none. Raises RuntimeError when those there are were sealed with another
        secret."""
        if not self.keys(tx):
            self._add(tx, "primary", now)
            self._add(tx, "staged", now)

    def rotate(self, tx: Transaction, now: datetime) -> None:
        """The staged key becomes primary, the primary a secondary one; a new one is staged."""
        self.ensure(tx, now)
        store.turn(tx, self.use, "primary", "secondary", now)
        store.turn(tx, self.use, "staged", "primary", now)
        self._add(tx, "staged", now)

    def replace(self, tx: Transaction, now: datetime) -> None:
        """All keys become secondary ones, the staged one too; two new ones take their places."""
        for state in ("primary", "staged"):
            store.turn(tx, self.use, state, "secondary", now)
        self._add(tx, "primary", now)
        self._add(tx, "staged", now)

    def _add(self, tx: Transaction, state: str, now: datetime) -> None:
        store.add(tx, uuid.uuid4().hex, self.use, state, now, self._secret.seal(self._make()))

    def _opened(self, sealed: str) -> bytes:
        try:
            return self._secret.open(sealed)
        except ValueError as error:
            raise RuntimeError(_OTHER_SECRET) from error


class Sealer:
    """Fernet over a ring: sealed with its primary key, opened with any."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._ciphers: tuple[Sequence[Key], MultiFernet] | None = None

    def seal(self, tx: Transaction, payload: bytes, now: int, version: int | None = None) -> str:
        """Text that only the ring's keys open, stamped with `now` (seconds since 1970). `version`: see Ring.keys."""
        return self._cipher(tx, version).encrypt_at_time(payload, now).decode()

    def open(self, tx: Transaction, sealed: str, version: int | None = None) -> bytes | None:
        """What was sealed, or None when no key of the ring has sealed it."""
        try:
            return self._cipher(tx, version).decrypt(sealed.encode())
        except (InvalidToken, ValueError):
            return None

    def primary(self, tx: Transaction) -> str:
        """The id of the key that seals now."""
        return self.ring.keys(tx)[0].id

    def _cipher(self, tx: Transaction, version: int | None) -> MultiFernet:
        keys, known = self.ring.keys(tx, version), self._ciphers
        if known is None or known[0] != keys:
            known = self._ciphers = keys, MultiFernet([Fernet(each.secret) for each in keys])
        return known[1]


class Keys:
    """Every ring of the cloud: `tokens` (Fernet), `signing` (JWS), `credentials` (what is encrypted at rest), `saml`
    (what is said by SAML to others: assertions, and questions to providers), `decryption` (of what SAML providers
    encrypt to this cloud); and the `secret` that seals them."""

    def __init__(self, secret: CloudSecret) -> None:
        self.secret = secret
        self.tokens = Ring("token", secret, Fernet.generate_key)
        self.signing = Ring("jws", secret, _signing_key)
        self.credentials = Ring("credential", secret, Fernet.generate_key)
        self.saml = Ring("saml", secret, _certified_key)
        self.decryption = Ring("saml-encryption", secret, _certified_key)

    @classmethod
    def of(cls, database: Database, state_dir: Path, now: datetime) -> "Keys":
        """The cloud's keys; the first ones, and the secret in the state folder, are made now if there are none. Raises
        RuntimeError when the state folder lacks the secret that the keys were sealed with."""
        with database.write() as tx:
            secret = CloudSecret.read(state_dir)
            if secret is None and store.all_keys(tx):
                raise RuntimeError(_OTHER_SECRET)
            keys = cls(secret or CloudSecret.make(state_dir))
            for ring in keys.rings:
                ring.ensure(tx, now)
        return keys

    @property
    def rings(self) -> Sequence[Ring]:
        """Those that are rotated by themselves."""
        return self.tokens, self.signing, self.credentials

    @property
    def certified(self) -> Sequence[Ring]:
        """Those of which others hold certificates: made when first needed, and rotated only when told to, since those
        others must be told."""
        return self.saml, self.decryption


def forget_old(tx: Transaction, ring: Ring, now: datetime, kept: timedelta) -> int:
    """Drop the keys that have been secondary for longer than `kept`; returns how many."""
    return store.forget(tx, ring.use, now - kept)


# Pairs of keys and certificates are 2 MB of cryptography that a server with Fernet tokens has no use for: all of this
# room imports them where it makes or reads one.


def _signing_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _certified_key() -> bytes:
    """A key and the certificate that it signs itself, in PEM. Those who trust it hold the certificate: nothing but its
    key counts, so it says little, and is good for as long as anybody wants."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key, name = rsa.generate_private_key(65537, 3072), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SAML")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=7300))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.sign(key, SHA256()).public_bytes(Encoding.PEM)
