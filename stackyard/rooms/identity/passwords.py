"""Password hashes: bcrypt over a SHA-256 of the password, so that length and NUL bytes do not matter. Its cost is the
setting `password_cost`: 12, where OWASP asks for 10 at least. Hashes of another cost, and plain bcrypt as Keystone
makes by default, are good too and are made anew when their user logs in.

Verifying an unknown user's password costs what a known one's costs: callers verify against `None` then.
"""

import base64
import hashlib
from functools import lru_cache

import bcrypt

_SCHEME = "bcrypt-sha256:"
#: As Keystone makes them.
_PLAIN = ("$2a$", "$2b$", "$2y$")
#: Bcrypt itself looks no further, and Keystone cuts off what is longer.
_LONGEST = 72
MAX_LENGTH = 4096


def hash_password(password: str, cost: int) -> str:
    """A fresh hash of the password; `cost` is bcrypt's rounds as a power of two (12: about a quarter of a second)."""
    return _SCHEME + bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def verify_password(password: str, stored: str | None, cost: int) -> bool:
    """Whether the password made the stored hash. Takes as long when there is no hash at all."""
    known = stored is not None and stored.startswith((_SCHEME, *_PLAIN))
    against = stored if known and stored else _nobody(cost)
    said = password.encode()[:_LONGEST] if against.startswith(_PLAIN) else _digest(password)
    return _same(said, against.removeprefix(_SCHEME).encode()) and known


def _same(said: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(said, hashed)
    except ValueError:
        return False


def needs_renewal(stored: str, cost: int) -> bool:
    """Whether a hash is not what `hash_password` would make now."""
    return not stored.startswith(f"{_SCHEME}$2b${cost:02d}$")


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


@lru_cache(maxsize=4)
def _nobody(cost: int) -> str:
    return hash_password("nobody", cost)
