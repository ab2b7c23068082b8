"""How often one may fail: a bucket for each user and each address, which every attempt fills and time empties.

It is kept in the memory of each server, and every failure is told to the other servers of the cloud, which count it as
theirs. So it is one allowance for all of them, but for what is tried on several within the moment that a hash takes.
The database is not written: a row for every failure would let strangers who know nothing load the one writer of the
whole cloud. A file of each server's own outlives its process (`failures.py`). What has to be exact across servers, the
lockout of an account, is in the database. An attempt counts from its beginning, so that many at once gain nothing, and
is given back when it succeeds. A bucket is named by what the stranger says, not by what is found: a user who does not
exist has one too.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from ipaddress import IPv6Address
from pathlib import Path

from stackyard.kernel.bulletin import Bulletin
from stackyard.kernel.errors import ApiError, TooManyRequests
from stackyard.kernel.work import Services
from stackyard.rooms.identity.failures import Failures, Marks


@dataclass(frozen=True)
class Allowance:
    """So many failures at once, and one more every `seconds`."""

    most: int
    seconds: float


PER_USER = Allowance(most=10, seconds=6)
PER_ADDRESS = Allowance(most=100, seconds=1)
#: How many buckets of a kind are kept; beyond, those that nobody has touched for longest are forgotten.
REMEMBERED = 20_000
_TOPIC = "failure"
#: Seconds after which a failure counts no more, whatever else there was: twice what empties a full bucket, since
#: those that fail on several servers at once fill it above its brim.
_LONGEST = 2 * max(each.most * each.seconds for each in (PER_USER, PER_ADDRESS))


class Buckets:
    """The buckets of one kind, by name."""

    def __init__(self, allowance: Allowance, now: Callable[[], float]) -> None:
        self._allowance = allowance
        self._now = now
        self._levels: OrderedDict[object, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, name: object) -> float:
        """Count an attempt; returns 0, or the seconds to wait when it may not be made, which is not counted."""
        with self._lock:
            now = self._now()
            level = self._level(name, now)
            if level > self._allowance.most - 1:
                return (level - self._allowance.most + 1) * self._allowance.seconds
            self._set(name, level + 1, now)
            return 0

    def count(self, name: object, ago: float = 0.0) -> None:
        """An attempt that was made elsewhere, or so many seconds ago, has failed. The older ones come first."""
        with self._lock:
            at = self._now() - ago
            self._set(name, self._level(name, at) + 1, at)

    def take_back(self, name: object) -> None:
        """The attempt does not count."""
        with self._lock:
            now = self._now()
            self._set(name, max(0, self._level(name, now) - 1), now)

    def _level(self, name: object, at: float) -> float:
        level, since = self._levels.get(name, (0.0, at))
        return max(0.0, level - (at - since) / self._allowance.seconds)

    def _set(self, name: object, level: float, at: float) -> None:
        self._levels[name] = level, at
        self._levels.move_to_end(name)
        while len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)

    def __len__(self) -> int:
        return len(self._levels)


class Throttle:
    """The buckets of users and of addresses. `tell`: hands a failure to the other servers' `hear`. `failures`: what
    happened before this process and is to be known after it."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda word: None,
        failures: Failures | None = None,
    ) -> None:
        self.users = Buckets(PER_USER, now)
        self.addresses = Buckets(PER_ADDRESS, now)
        self._tell = tell
        self._failures = failures
        for ago, marks in failures.recent(_LONGEST) if failures else ():
            self._count(marks, ago)

    @contextmanager
    def attempt(self, user: object, address: str) -> Iterator[None]:
        """An attempt to prove to be a user. It counts unless the block ends without an error, or with one that is not
        the attempt's fault. Raises TooManyRequests, with Retry-After, when there were too many."""
        counted: list[tuple[Buckets, object]] = []
        names = _mark(_place(address)), _mark(user)
        for buckets, name in zip((self.addresses, self.users), names, strict=True):
            if wait := buckets.add(name):
                _take_back(counted)
                raise _too_many(wait)
            counted.append((buckets, name))
        try:
            yield
        except Exception as error:
            if isinstance(error, ApiError) and error.status >= 500:
                _take_back(counted)
            else:
                self._tell(" ".join(names))
                self._write_down(names)
            raise
        _take_back(counted)

    def hear(self, word: str) -> None:
        """An attempt on another server has failed."""
        address, user = word.split()
        self._count((address, user))
        self._write_down((address, user))

    def _count(self, marks: Marks, ago: float = 0.0) -> None:
        for buckets, name in zip((self.addresses, self.users), marks, strict=True):
            buckets.count(name, ago)

    def _write_down(self, marks: Marks) -> None:
        if self._failures:
            self._failures.add(marks)


def _mark(name: object) -> str:
    """A name of a bucket that servers may tell each other: it is short, and says nothing about anybody."""
    return blake2b(repr(name).encode(), digest_size=16).hexdigest()


def _place(address: str) -> str:
    """Where somebody is: an address, or of IPv6 the 64 bits that a network is given. The rest is theirs to choose."""
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def _take_back(counted: Sequence[tuple[Buckets, object]]) -> None:
    for buckets, name in counted:
        buckets.take_back(name)


def _too_many(wait: float) -> TooManyRequests:
    seconds = math.ceil(wait)
    return TooManyRequests(
        "Too many attempts to authenticate have failed.",
        remedy=f"Try again in {seconds} seconds.",
        headers={"Retry-After": str(seconds)},
    )


def shared(bulletin: Bulletin | None, state_dir: Path) -> Throttle:
    """A throttle that counts what fails on the other servers too, and what failed before this process."""
    failures = Failures(state_dir)
    if bulletin is None:
        return Throttle(failures=failures)
    made = Throttle(tell=partial(bulletin.say, _TOPIC), failures=failures)
    bulletin.on(_TOPIC, made.hear)
    return made


def throttle_of(services: Services) -> Throttle:
    """The one of this process, bound when the room started."""
    bound: Throttle = services.bound["identity_throttle"]
    return bound
