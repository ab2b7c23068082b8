"""What other rooms may ask of identity. Values are frozen; every call joins the caller's transaction."""

from collections.abc import Sequence

import msgspec

from stackyard.kernel.caller import Caller, service_caller
from stackyard.kernel.quota import Unified
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows, seed
from stackyard.rooms.identity.resources.limit import unified as limits
from stackyard.rooms.identity.resources.project import store
from stackyard.rooms.identity.resources.project.resource import PROJECT
from stackyard.rooms.identity.resources.token.tokens import tokens_of
from stackyard.rooms.identity.resources.user.resource import USER

SERVICE_PROJECT = "service"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project, as other rooms know it."""

    id: str
    name: str
    domain_id: str | None
    enabled: bool


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as other rooms know them."""

    id: str
    name: str
    domain_id: str
    enabled: bool


def validate_token(work: Work, token: str) -> Caller:
    """Who asks with this token. Raises Unauthorized."""
    return tokens_of(work.services).validate(work.tx, token)


def project(work: Work, project_id: str) -> Project:
    """A project by id. Raises NotFound."""
    return _project(rows.existing(work, PROJECT, project_id, is_domain=False))


def projects(work: Work) -> list[Project]:
    """Every project of the cloud."""
    return [_project(each) for each in work.tx.find(PROJECT.table, is_domain=False)]


def find_project_by_name(work: Work, name: str, domain_id: str = "default") -> Project | None:
    """The project of that name in a domain, or None."""
    found = store.by_name(work.tx, name, domain_id)
    return _project(found) if found else None


def user(work: Work, user_id: str) -> User:
    """A user by id. Raises NotFound."""
    found = rows.existing(work, USER, user_id)
    return User(id=found.id, name=found.name, domain_id=found.domain_id, enabled=found.enabled)


def service_identity(work: Work, room: str) -> Caller:
    """The identity under which a room acts on its own account, in the project `service`."""
    home = store.by_name(work.tx, SERVICE_PROJECT, "default")
    return service_caller(room, project_id=home.id if home else None)


def unified_limits(work: Work, service: str, names: Sequence[str], project_id: str | None, /) -> Unified:
    """The unified limits on these resources of a type of service, for a project or (None) for a new one."""
    return limits.unified(work, service, names, project_id)


def register_services(work: Work, services: Sequence[tuple[str, str, str]]) -> None:
    """Have the catalog hold these services of the cloud (type, name, path; it may hold {project_id}), and no others of
    the cloud's own."""
    seed.register_services(work, services)


def _project(row: Record) -> Project:
    return Project(id=row.id, name=row.name, domain_id=row.domain_id, enabled=row.enabled)
