"""The keys that tokens are made with: a folder of Fernet keys, rotated as Keystone rotates its own.

The file with the highest number is the primary key, which makes tokens; `0` is the staged key, the next primary, known
to every reader before it is first used; those between still read older tokens. Every file is 0600, replaced atomically.
"""

import os
import threading
import time
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

#: How many keys are kept: the staged one, the primary, and one more to read what was made before the last rotation.
KEPT = 3


class Keys:
    """The keys of one folder, read again when another process has rotated them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[str, ...] = ()
        self._cipher: MultiFernet | None = None

    def ensure(self) -> None:
        """Make the folder and the first two keys if they are not there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self._folder, 0o700)
        numbers = self._numbers()
        if 0 not in numbers:
            self._write(0)
        if not any(numbers):
            self._write(1)
        self._load()

    def rotate(self) -> None:
        """Make the staged key primary, stage a new one, and drop the oldest beyond what is kept."""
        self._staged_becomes_primary()
        self._write(0)
        numbers = self._numbers()
        for old in numbers[1 : len(numbers) - KEPT + 1]:
            (self._folder / str(old)).unlink(missing_ok=True)
        self._load()

    def primary_age(self) -> float:
        """Seconds since the primary key became primary."""
        return time.time() - (self._folder / str(self._numbers()[-1])).stat().st_ctime

    def seal(self, payload: bytes, now: int) -> str:
        """A token around the payload, made at `now` (seconds since 1970)."""
        return self._current().encrypt_at_time(payload, now).decode().rstrip("=")

    def open(self, token: str) -> bytes | None:
        """The payload of a token, or None when no key made it."""
        padded = (token + "=" * (-len(token) % 4)).encode()
        for reload in (False, True):
            if reload and not self._changed():
                break
            try:
                return self._current().decrypt(padded)
            except (InvalidToken, ValueError):
                continue
        return None

    def _current(self) -> MultiFernet:
        cipher = self._cipher
        return cipher if cipher is not None else self._load()

    def _load(self) -> MultiFernet:
        with self._lock:
            numbers = self._numbers()
            secrets = [(self._folder / str(number)).read_bytes() for number in reversed(numbers)]
            # The staged key comes last: it reads tokens of a process that has rotated already.
            self._cipher = MultiFernet([Fernet(secret) for secret in secrets])
            self._seen = self._stamp()
            return self._cipher

    def _changed(self) -> bool:
        if self._stamp() == self._seen:
            return False
        self._load()
        return True

    def _stamp(self) -> tuple[str, ...]:
        return tuple(f"{each}:{(self._folder / str(each)).stat().st_mtime_ns}" for each in self._numbers())

    def _numbers(self) -> list[int]:
        return sorted(int(each.name) for each in self._folder.iterdir() if each.name.isdecimal())

    def _staged_becomes_primary(self) -> None:
        staged = self._folder / "0"
        if staged.exists():
            os.rename(staged, self._folder / str(self._numbers()[-1] + 1))

    def _write(self, number: int) -> None:
        fresh = self._folder / f".{number}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, self._folder / str(number))
