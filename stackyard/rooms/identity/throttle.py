"""How often one may fail: a bucket for each user and each address, which every attempt fills and time empties.

It is kept in the memory of each server, and every failure is told to the other servers of the cloud, which count it as
theirs. So it is one allowance for all of them, but for what is tried on several within the moment that a hash takes.
Nothing is written: a row for every failure would let strangers who know nothing load the one writer of the whole cloud.
What has to be exact across servers, the lockout of an account, is in the database. An attempt counts from its
beginning, so that many at once gain nothing, and is given back when it succeeds. A bucket is named by what the stranger
says, not by what is found: a user who does not exist has one too.
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

from stackyard.kernel.bulletin import Bulletin
from stackyard.kernel.errors import ApiError, TooManyRequests
from stackyard.kernel.work import Services


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
            level = self._level(name)
            if level > self._allowance.most - 1:
                return (level - self._allowance.most + 1) * self._allowance.seconds
            self._set(name, level + 1)
            return 0

    def count(self, name: object) -> None:
        """An attempt that was made elsewhere has failed."""
        with self._lock:
            self._set(name, self._level(name) + 1)

    def take_back(self, name: object) -> None:
        """The attempt does not count."""
        with self._lock:
            self._set(name, max(0, self._level(name) - 1))

    def _level(self, name: object) -> float:
        level, since = self._levels.get(name, (0.0, 0.0))
        return max(0.0, level - (self._now() - since) / self._allowance.seconds)

    def _set(self, name: object, level: float) -> None:
        self._levels[name] = level, self._now()
        self._levels.move_to_end(name)
        while len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)

    def __len__(self) -> int:
        return len(self._levels)


class Throttle:
    """The buckets of users and of addresses. `tell`: hands a failure to the other servers' `hear`."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, tell: Callable[[str], None] = lambda word: None
    ) -> None:
        self.users = Buckets(PER_USER, now)
        self.addresses = Buckets(PER_ADDRESS, now)
        self._tell = tell

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
            raise
        _take_back(counted)

    def hear(self, word: str) -> None:
        """An attempt on another server has failed."""
        for buckets, name in zip((self.addresses, self.users), word.split(), strict=True):
            buckets.count(name)


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


def shared(bulletin: Bulletin | None) -> Throttle:
    """A throttle that counts what fails on the other servers too."""
    if bulletin is None:
        return Throttle()
    made = Throttle(tell=partial(bulletin.say, _TOPIC))
    bulletin.on(_TOPIC, made.hear)
    return made


def throttle_of(services: Services) -> Throttle:
    """The one of this process, bound when the room started."""
    bound: Throttle = services.bound["identity_throttle"]
    return bound
