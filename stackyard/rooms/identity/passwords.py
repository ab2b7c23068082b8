"""Password hashes: bcrypt over a SHA-256 of the password, so that length and NUL bytes do not matter.

Verifying an unknown user's password costs what a known one's costs: callers verify against `None` then.
"""

import base64
import hashlib
from functools import lru_cache

import bcrypt

_SCHEME = "bcrypt-sha256:"
MAX_LENGTH = 4096


def hash_password(password: str, cost: int) -> str:
    """A fresh hash of the password; `cost` is bcrypt's rounds as a power of two (12: about a quarter of a second)."""
    return _SCHEME + bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def verify_password(password: str, stored: str | None, cost: int) -> bool:
    """Whether the password made the stored hash. Takes as long when there is no hash at all."""
    known = stored is not None and stored.startswith(_SCHEME)
    against = stored if known and stored else _nobody(cost)
    return bcrypt.checkpw(_digest(password), against.removeprefix(_SCHEME).encode()) and known


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


@lru_cache(maxsize=4)
def _nobody(cost: int) -> str:
    return hash_password("nobody", cost)
