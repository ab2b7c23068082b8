"""What becomes of a person whom a provider has vouched for: the user who stands for them, their groups and projects."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.federation import store
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.mapping.engine import Domain, Group, Mapped, Project
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.role import store as roles
from stackyard.rooms.identity.resources.token.claims import Federated, Origin
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.resources.user import resource as users
from stackyard.rooms.identity.resources.user import store as user_store

_LONGEST_NAME = 255


def arrive(work: Work, provider: Record, protocol_id: str, mapped: Mapped, default_ttl: int) -> Proof:
    """Bring users, memberships, projects and roles to what the mapping says; all in the caller's transaction, or
    nothing. `default_ttl`: minutes, for providers that set none. Raises BadRequest naming what the mapping speaks of
    and is not there, Unauthorized when it says nobody."""
    if mapped.user.local:
        return _local(work, mapped)
    user = _user(work, provider, protocol_id, mapped)
    group_ids = _groups(work, mapped)
    ttl = provider.authorization_ttl if provider.authorization_ttl is not None else default_ttl
    if _vouch(work, user, provider.id, group_ids, ttl):
        # Earlier tokens carry the group that was taken away.
        user = kernel_rows.change(work, users.USER, user, {"generation": user.generation + 1})
    _provision(work, user, provider, mapped)
    federated = Federated(identity_provider_id=provider.id, protocol_id=protocol_id, group_ids=tuple(group_ids))
    return Proof(user_id=user.id, generation=user.generation, origin=Origin(federated=federated))


def _local(work: Work, mapped: Mapped) -> Proof:
    """A user of this cloud, with the roles they have here."""
    wanted = mapped.user
    if wanted.id:
        found = user_store.by_id(work.tx, wanted.id)
    elif wanted.name and wanted.domain:
        found = user_store.by_name(work.tx, wanted.name, _domain(work, wanted.domain))
    else:
        raise BadRequest("The mapping names a local user by neither id nor name and domain.")
    if found is None:
        raise unauthenticated()
    return Proof(user_id=found.id, generation=found.generation)


# -- the user --


def _user(work: Work, provider: Record, protocol_id: str, mapped: Mapped) -> Record:
    wanted = mapped.user
    name, unique_id = wanted.name or wanted.id, quote(wanted.id or wanted.name or "", safe="/")
    if not name:
        raise Unauthorized(
            "The mapping says neither a name nor an id for you.",
            remedy="Ask its administrator to give 'user' a name.",
        )
    if len(unique_id) > _LONGEST_NAME:
        raise BadRequest(
            f"The id that the mapping makes has {len(unique_id)} characters; {_LONGEST_NAME} are the most."
        )
    email = _fit(users.USER, "email", wanted.email) if wanted.email else None
    user_id = store.user_id_of(work.tx, provider.id, protocol_id, unique_id)
    known = user_store.by_id(work.tx, user_id) if user_id else None
    if known is not None:
        return _renewed(work, known, name, unique_id, email)
    domain_id = _domain(work, wanted.domain) if wanted.domain else provider.domain_id
    values = {"name": _free(work, name, unique_id, domain_id), "domain_id": domain_id, "email": email}
    user = kernel_rows.insert(work, users.USER, values)
    store.remember(work.tx, user.id, provider.id, protocol_id, unique_id)
    return user


def _renewed(work: Work, user: Record, name: str, unique_id: str, email: str | None) -> Record:
    """The user with the name and address that the provider tells now."""
    changes: dict[str, str] = {}
    if user.name not in (name[:_LONGEST_NAME], _distinct(name, unique_id)):
        changes["name"] = _free(work, name, unique_id, user.domain_id)
    if email and email != user.email:
        changes["email"] = email
    return kernel_rows.change(work, users.USER, user, changes) if changes else user


def _free(work: Work, name: str, unique_id: str, domain_id: str) -> str:
    """The name; if somebody in the domain has it, one that also tells the id at the provider. Names stay unique."""
    for each in (_fit(users.USER, "name", name[:_LONGEST_NAME]), _distinct(name, unique_id)):
        if user_store.by_name(work.tx, each, domain_id) is None:
            return each
    raise BadRequest(f"The names {name} and {_distinct(name, unique_id)} are taken in the domain {domain_id}.")


def _fit(resource: Resource, name: str, value: str) -> str:
    """The value, if the API would take it for this attribute. Raises BadRequest."""
    return str(resource.all_fields[name].kind.parse(value, f"{resource.name}.{name}", True))


def _distinct(name: str, unique_id: str) -> str:
    return f"{name} ({unique_id})"[:_LONGEST_NAME]


def _domain(work: Work, wanted: Domain) -> str:
    found = user_store.domain(work.tx, domain_id=wanted.id, name=wanted.name)
    if found is None:
        raise BadRequest(f"The mapping speaks of the domain {wanted.id or wanted.name}, which is not there.")
    return str(found.id)


# -- groups --


def _groups(work: Work, mapped: Mapped) -> list[str]:
    """The ids of the groups. One by id must be there; one by name may be missing, as providers know many more."""
    for group_id in mapped.group_ids:
        if group_id and work.tx.get(groups.GROUP.table, id=group_id) is None:
            raise BadRequest(f"The mapping speaks of the group {group_id}, which is not there.")
    named = (_group_named(work, each) for each in mapped.groups)
    return sorted({*filter(None, mapped.group_ids), *(each for each in named if each)})


def _group_named(work: Work, wanted: Group) -> str | None:
    found = work.tx.get(groups.GROUP.table, name=wanted.name, domain_id=_domain(work, wanted.domain))
    return found.id if found else None


def _vouch(work: Work, user: Record, provider_id: str, group_ids: Sequence[str], ttl: int) -> bool:
    """Let the memberships outlive the token by the provider's time; returns whether one was taken away."""
    lasting = group_ids if ttl else ()
    return memberships.vouched(work.tx, user.id, provider_id, lasting, int(work.now.timestamp()) + ttl * 60)


# -- projects --


def _provision(work: Work, user: Record, provider: Record, mapped: Mapped) -> None:
    wanted: dict[str, set[str]] = {}
    for each in mapped.projects:
        project = _project(work, each, provider.domain_id)
        wanted.setdefault(project.id, set()).update(_roles(work, each, project, user))
    if mapped.follows:
        wanted |= {other: set() for other in assignments.projects_of_actor(work.tx, user.id) - wanted.keys()}
    for project_id, role_ids in wanted.items():
        _grant(work, user.id, project_id, role_ids, mapped.follows)


def _roles(work: Work, wanted: Project, project: Record, user: Record) -> list[str]:
    """The ids of the roles: everybody's, or of the domain that project and user are both in."""
    domain_id = project.domain_id if project.domain_id == user.domain_id else None
    found = []
    for name in wanted.roles:
        role = roles.by_name(work.tx, name) or roles.by_name(work.tx, name, domain_id)
        if role is None:
            raise BadRequest(f"The mapping gives the role {name} on the project {wanted.name}; there is no such role.")
        found.append(role.id)
    return found


def _project(work: Work, wanted: Project, own_domain: str) -> Record:
    domain_id = _domain(work, wanted.domain) if wanted.domain else own_domain
    found = work.tx.get(projects.PROJECT.table, name=wanted.name, domain_id=domain_id)
    if found is None:
        name = _fit(projects.PROJECT, "name", wanted.name)
        values = {"name": name, "domain_id": domain_id, "parent_id": domain_id}
        found = kernel_rows.insert(work, projects.PROJECT, values)
    return found


def _grant(work: Work, user_id: str, project_id: str, role_ids: Iterable[str], follows: bool) -> None:
    target, wanted = Target("project", project_id), set(role_ids)
    held = set(assignments.granted(work.tx, "user", user_id, target))
    for role_id in wanted - held:
        assignments.add(work.tx, role_id, "user", user_id, target)
    for role_id in held - wanted if follows else ():
        assignments.remove(work.tx, role_id, "user", user_id, target)
