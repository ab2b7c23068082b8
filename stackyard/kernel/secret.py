"""The cloud's secret: a key in the state folder, the same on every server, that seals what the database must not tell.

It is made at the first start of a cloud and never again: a server that joins brings a copy. So whoever reads the
database alone, a replica or a dump of it, can open nothing that is sealed with it. Why: "One secret per cloud" in
docs/decisions.
"""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

FILE = "cloud.secret"


class CloudSecret:
    """Seals and opens small things: keys, other services' passwords."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Fernet(key)

    @classmethod
    def read(cls, state_dir: Path) -> "CloudSecret | None":
        """The secret in a state folder, or None when there is none yet. Raises RuntimeError for a damaged one."""
        path = state_dir / FILE
        try:
            return cls(path.read_bytes().strip())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RuntimeError(f"{path} is damaged: {error} Copy it from another server or a backup.") from error

    @classmethod
    def make(cls, state_dir: Path) -> "CloudSecret":
        """A new one, in a file that its owner alone can read."""
        key, scratch = Fernet.generate_key(), state_dir / f".{FILE}.new"
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(state_dir / FILE)
        return cls(key)

    def seal(self, payload: bytes) -> str:
        """The payload as text that tells nothing."""
        return self._cipher.encrypt(payload).decode()

    def open(self, sealed: str) -> bytes:
        """What was sealed. Raises ValueError when it was sealed with another secret, or is damaged."""
        try:
            return self._cipher.decrypt(sealed.encode())
        except InvalidToken as error:
            raise ValueError("it was sealed with another secret") from error
