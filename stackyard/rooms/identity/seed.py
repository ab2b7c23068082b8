"""The first rows: a domain, the roles of the default policy, an administrator and somebody to try things as.

Runs at every start and writes what is missing; what people changed meanwhile stays as they left it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import credentials
from stackyard.rooms.identity.passwords import hash_password
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.catalog import store as catalogs
from stackyard.rooms.identity.resources.domain.resource import DOMAIN
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.project.resource import PROJECT
from stackyard.rooms.identity.resources.role import store as roles
from stackyard.rooms.identity.resources.role.resource import ROLE
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.resources.user.resource import USER

DEFAULT = "default"
ROLES = ("admin", "manager", "member", "reader", "service", "ResellerAdmin")
#: Those that the default policy names. Without them nobody could let anybody in again: they are protected.
PROTECTED = frozenset(ROLES) - {"ResellerAdmin"}
IMPLICATIONS = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
PROJECTS = {
    "admin": "The administrators' project.",
    "demo": "A project to try things in.",
    "service": "The project of the cloud's services.",
}


def seed(work: Work) -> None:
    """Write what is missing of the first rows, and the files with the first passwords before them."""
    first = work.tx.get(DOMAIN.table, id=DEFAULT) is None
    if first:
        rows.insert(work, DOMAIN, {"id": DEFAULT, "name": "Default", "description": "The default domain"})
    held = {name: _role(work, name) for name in ROLES}
    owned = {name: _project(work, name, about) for name, about in PROJECTS.items() if first or _named(work, name)}
    _users(work, owned, first)
    if first:
        for prior, implied in IMPLICATIONS:
            roles.imply(work.tx, held[prior].id, held[implied].id)
        _grant(work, held, owned)


def _named(work: Work, name: str) -> Record | None:
    return projects.by_name(work.tx, name, DEFAULT)


def _role(work: Work, name: str) -> Record:
    options = {"immutable": True} if name in PROTECTED else {}
    return roles.by_name(work.tx, name) or rows.insert(work, ROLE, {"name": name, "options": options})


def _project(work: Work, name: str, about: str) -> Record:
    values = {"name": name, "description": about, "domain_id": DEFAULT, "parent_id": DEFAULT}
    return _named(work, name) or rows.insert(work, PROJECT, values)


def _users(work: Work, owned: dict[str, Record], first: bool) -> None:
    """The first users. Only a password that nobody has changed since the seed is ever written again, and only when its
    file is lost: nobody can know it then."""
    names = ("admin", "demo")
    found = {name: user for name in names if (user := users.by_name(work.tx, name, DEFAULT)) is not None}
    settings = work.services.settings
    given = credentials.read(settings.state_dir)
    renew: Sequence[str] = names if first else ()
    if given is None:
        if any(user.password_from != "seed" for user in found.values()):
            return
        given = credentials.Credentials.fresh()
        renew = names if first else tuple(found)
    url = f"{settings.base_url}/identity"
    credentials.write(settings.state_dir, given, url, settings.region, getattr(settings, "authority", ""))
    hashes = _hashes({name: given.passwords[name] for name in renew}, settings.password_cost)
    for name, hashed in hashes.items():
        _set_password(work, name, found.get(name), hashed, owned.get(name))


def _hashes(passwords: dict[str, str], cost: int) -> dict[str, str]:
    # Hashing lets go of the interpreter's lock: side by side on two cores the first start is that much shorter.
    with ThreadPoolExecutor(max_workers=2) as pool:
        made = pool.map(lambda each: hash_password(each, cost), passwords.values())
        return dict(zip(passwords, made, strict=True))


def _set_password(work: Work, name: str, user: Record | None, hashed: str, project: Record | None) -> None:
    fresh = {"password_hash": hashed, "password_from": "seed"}
    if user is not None:
        rows.change(work, USER, user, {**fresh, "generation": user.generation + 1})
    else:
        default = project.id if project else None
        rows.insert(work, USER, {"name": name, "domain_id": DEFAULT, "default_project_id": default, **fresh})


def _grant(work: Work, held: dict[str, Record], owned: dict[str, Record]) -> None:
    admin, demo = (users.by_name(work.tx, name, DEFAULT) for name in ("admin", "demo"))
    if admin is None or demo is None:
        return
    places = (assignments.system(), Target("project", owned["admin"].id), Target("project", owned["demo"].id))
    for target in places:
        assignments.add(work.tx, held["admin"].id, "user", admin.id, target)
    assignments.add(work.tx, held["member"].id, "user", demo.id, Target("project", owned["demo"].id))


def register_services(work: Work, services: Sequence[tuple[str, str, str]]) -> None:
    """Have the catalog hold these services of the cloud, (type, name, path), three endpoints each, and no others of
    the cloud's own; idempotent."""
    settings = work.services.settings
    for kind, name, path in services:
        catalogs.register(
            work.tx, region=settings.region, base_url=settings.base_url, service_type=kind, name=name, path=path
        )
    catalogs.withdraw_others(work.tx, settings.region, [kind for kind, _, _ in services])
