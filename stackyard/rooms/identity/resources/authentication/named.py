"""Users, projects and domains as requests for a token name them: by id, or by name within a domain."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Kind, Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.user import store as users

TEXT = Text(max=255)
DOMAIN = Object({"id": TEXT, "name": TEXT})


def Naming(**more: Kind) -> Kind:
    """The members by which a user or project is named, and others beside them."""
    return Object({"id": TEXT, "name": TEXT, "domain": DOMAIN, **more})


@dataclass(frozen=True, kw_only=True)
class Named:
    """A user or project by id, or by name within a domain given by id or name; a domain by id or name."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


def named(given: dict[str, Any], path: str) -> Named:
    """A user or project as `Naming` read it. Raises BadRequest when neither id nor name with domain is there."""
    if "id" in given:
        return Named(id=given["id"])
    if "name" not in given:
        raise invalid(path, "id or name must be present.")
    if "domain" not in given:
        raise invalid(f"{path}.domain", "must be present with a name.")
    domain = named_domain(given["domain"], f"{path}.domain")
    return Named(name=given["name"], domain_id=domain.id, domain_name=domain.name)


def named_domain(given: dict[str, Any], path: str) -> Named:
    """A domain as `DOMAIN` read it. Raises BadRequest."""
    if "id" not in given and "name" not in given:
        raise invalid(path, "id or name must be present.")
    return Named(id=given.get("id"), name=given.get("name"))


def user(tx: Transaction, wanted: Named) -> Record | None:
    """The user of that id, or of that name in that domain."""
    if wanted.id:
        return users.by_id(tx, wanted.id)
    domain = _domain(tx, wanted)
    return users.by_name(tx, wanted.name or "", domain.id) if domain else None


def counted(tx: Transaction, wanted: Named, found: Record | None) -> tuple[str, ...]:
    """What attempts to be that user are counted by: one name for each, whether there is such a user or not, and however
    they were named."""
    known = wanted.id or (found.id if found else None)
    if known:
        return "id", str(known)
    domain = _domain(tx, wanted)
    return "name", wanted.name or "", domain.id if domain else str(wanted.domain_id or wanted.domain_name)


def domain_id(tx: Transaction, wanted: Named, user: Record | None) -> str | None:
    """The domain of the user who is named: theirs, or the one that was named with them; None when there is none."""
    if wanted.id:
        return user.domain_id if user else None
    domain = _domain(tx, wanted)
    return domain.id if domain else None


def project(tx: Transaction, wanted: Named) -> Record | None:
    """The project of that id, or of that name in that domain."""
    if wanted.id:
        return projects.by_id(tx, wanted.id)
    domain = _domain(tx, wanted)
    return projects.by_name(tx, wanted.name or "", domain.id) if domain else None


def _domain(tx: Transaction, wanted: Named) -> Record | None:
    return users.domain(tx, domain_id=wanted.domain_id, name=wanted.domain_name)
