"""Which domains have a directory, and asking it: each by itself, so that one that is away holds up nobody else.

A domain has one when its configuration says `identity.driver = ldap`: in the API (/v3/domains/{id}/config), or else in
a file `domains/keystone.<name of the domain>.conf` of the state folder, as Keystone reads it.
"""

import configparser
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import ApiError, Forbidden, Unavailable
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services
from stackyard.rooms.identity import mirror
from stackyard.rooms.identity.driver import Away, Directory, Misconfigured
from stackyard.rooms.identity.resources.domain_config import store as configurations
from stackyard.rooms.identity.resources.domain_config.options import OPTIONS
from stackyard.rooms.identity.resources.domain_config.store import Configuration
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.rotation import keys_of

log = logging.getLogger("stackyard.identity")

#: A list shows what the directory said at most so many seconds ago.
FRESH = 5.0
#: How long a directory that was away is not asked again; how many may ask one at a time, and how long others wait for
#: their turn.
_PAUSE, _AT_ONCE, _TURN = 3.0, 8, 1.0
_FOLDER = "domains"

Open = Callable[[Mapping[str, Any]], Directory]


@dataclass(kw_only=True)
class Known:
    """A domain's directory as it is configured now, and how asking it went."""

    domain_id: str
    domain_name: str
    options: Mapping[str, Any]
    directory: Directory | None
    problem: str = ""
    away_until: float | None = None
    seen_at: float = float("-inf")
    asking: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE))
    #: Held by the one who tries whether a directory that was away is back.
    trying: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def asked(self) -> Iterator[Directory]:
        """The directory, for a few questions. Raises Unavailable: while it is known to be away at once, but for one who
        tries whether it is back, so that it holds up no more than one thread of the server."""
        if self.directory is None:
            raise self._refused(self.problem)
        with self._turn():
            yield from self._asked(self.directory)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        was_away = self.away_until is not None
        if self.away_until is not None and time.monotonic() < self.away_until:
            raise self._refused(self.problem)
        turn = self.trying if was_away else self.asking
        if not turn.acquire(timeout=0 if was_away else _TURN):
            raise self._refused(self.problem if was_away else "too many are asking it at this moment")
        try:
            yield
        finally:
            turn.release()

    def _asked(self, directory: Directory) -> Iterator[Directory]:
        try:
            yield directory
            self.away_until = None
        except ApiError:
            # It answered; what is refused is refused by the cloud.
            self.away_until = None
            raise
        except Away as error:
            self.problem, self.away_until = str(error), time.monotonic() + _PAUSE
            raise self._refused(str(error)) from error
        except Misconfigured as error:
            self.problem = str(error)
            raise self._refused(self.problem) from error

    def _refused(self, why: str) -> Unavailable:
        # The reason names servers and options: it is for the operator.
        log.warning("a directory cannot be asked", extra={"domain_id": self.domain_id, "reason": why})
        return Unavailable(
            f"The directory of domain {self.domain_name} cannot be asked.",
            remedy="Try again later; the server's log says why.",
            headers={"Retry-After": str(round(_PAUSE))},
        )


class Directories:
    """The directories of all domains. `open`: the driver, made from a domain's options of the group [ldap]."""

    def __init__(self, services: Services, open: Open) -> None:
        self._services = services
        self.open = open
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()
        self.fresh = FRESH

    def of(self, tx: Transaction, domain: Record) -> Known | None:
        """The directory of a domain, or None when its users are kept here."""
        options = self._options(tx, domain)
        with self._lock:
            known = self._known.get(domain.id)
            if known is not None and known.options == options:
                return known
            if known is not None and known.directory is not None:
                known.directory.close()
            if options is None:
                self._known.pop(domain.id, None)
                return None
            self._known[domain.id] = fresh = self._opened(domain, options)
            return fresh

    def of_id(self, tx: Transaction, domain_id: str | None) -> Known | None:
        """The same by the domain's id."""
        domain = users.domain(tx, domain_id=domain_id) if domain_id else None
        return self.of(tx, domain) if domain is not None else None

    def all(self, tx: Transaction) -> list[Known]:
        """Every directory there is."""
        named = [users.domain(tx, domain_id=each) for each in configurations.domains_with(tx, "identity", "driver")]
        files = (path.name.removeprefix("keystone.").removesuffix(".conf") for path in self._files())
        named += [users.domain(tx, name=each) for each in files]
        there = {each.id: each for each in named if each is not None}
        found = [self.of(tx, each) for each in there.values()]
        return [each for each in found if each is not None]

    def look(self, known: Known, *, unless_seen: float = 0.0) -> int:
        """Bring the rows of a domain to what its directory says, unless that was done so many seconds ago. Returns how
        many differed. Raises Unavailable."""
        if time.monotonic() - known.seen_at < unless_seen:
            return 0
        with self._services.database.alone(f"directory {known.domain_id}"):
            began = time.monotonic()
            with known.asked() as directory:
                differed = mirror.whole(self._services, known.domain_id, directory.everything())
            known.seen_at = began
        return differed

    def look_for(self, known: Known, name: str) -> None:
        """Write down the user of that name, if the directory knows one. Raises Unavailable."""
        with known.asked() as directory:
            person = directory.find(name=name)
        if person is not None:
            mirror.found(self._services, known.domain_id, person)

    def _opened(self, domain: Record, options: Mapping[str, Any]) -> Known:
        try:
            directory, problem = self.open(options), ""
        except Misconfigured as error:
            directory, problem = None, str(error)
        return Known(
            domain_id=domain.id, domain_name=domain.name, options=options, directory=directory, problem=problem
        )

    def _options(self, tx: Transaction, domain: Record) -> Mapping[str, Any] | None:
        found = configurations.opened(configurations.own(tx, domain.id), keys_of(self._services).secret)
        if "driver" not in found.get("identity", {}):
            found = self._from_file(domain.name) or found
        configuration = configurations.completed(found)
        return configuration["ldap"] if configuration["identity"]["driver"] == "ldap" else None

    def _files(self) -> list[Path]:
        return list((self._services.settings.state_dir / _FOLDER).glob("keystone.*.conf"))

    def _from_file(self, domain_name: str) -> Configuration | None:
        if "/" in domain_name or "\0" in domain_name:
            return None
        path = self._services.settings.state_dir / _FOLDER / f"keystone.{domain_name}.conf"
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError, configparser.Error) as error:
            log.warning("a domain's file cannot be read", extra={"path": str(path), "reason": str(error)})
            return None
        return _parsed(path, parser)


def _parsed(path: Path, parser: configparser.ConfigParser) -> Configuration:
    found: Configuration = {}
    for group, options in OPTIONS.items():
        for name, text in parser.items(group) if parser.has_section(group) else ():
            if name not in options:
                continue
            try:
                found.setdefault(group, {})[name] = options[name].kind.parse(text, f"{group}.{name}", False)
            except ApiError as error:
                log.warning("a domain's file has a bad option", extra={"path": str(path), "reason": error.message})
    return found


def directories_of(services: Services) -> Directories:
    """The cloud's directories, bound when the room started."""
    bound: Directories = services.bound["identity_directories"]
    return bound


def before_list(services: Services, caller: Caller, query: Record, *, by_name: bool) -> None:
    """Look into the directory that a list of users or groups is about: of the domain that the query or else the token
    names. A list of all domains looks into each, and goes without one that is away. `by_name`: for one name it is
    enough to ask for that. Raises Unavailable."""
    directories = directories_of(services)
    with services.database.read() as tx:
        domain_id = caller.domain_id or query.get("domain_id")
        one = directories.of_id(tx, domain_id) if domain_id else None
        several = [] if domain_id else directories.all(tx)
    name = query.get("name") if by_name else None
    if one is not None:
        _look(directories, one, name)
    for each in several:
        with suppress(Unavailable):
            _look(directories, each, name)


def _look(directories: Directories, known: Known, name: str | None) -> None:
    if name is None:
        directories.look(known, unless_seen=directories.fresh)
    else:
        directories.look_for(known, name)


def refuse_writes(services: Services, tx: Transaction, domain_id: str, kind: str) -> None:
    """Raise Forbidden when the users and groups of a domain are kept by its directory."""
    if directories_of(services).of_id(tx, domain_id) is not None:
        raise read_only(kind, domain_id)


def refuse_change(kind: str, row: Record) -> None:
    """Raise Forbidden for a user or group that a directory keeps."""
    if row.local_id is not None:
        raise read_only(kind, row.domain_id)


def read_only(kind: str, domain_id: str) -> Forbidden:
    """403: the directory keeps it."""
    return Forbidden(
        f"The {kind}s of domain {domain_id} are kept in its directory, which is read only here.",
        remedy="Change them there.",
    )
