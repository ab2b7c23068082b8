"""Use cases of users."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.passwords import hash_password
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.federation import people
from stackyard.rooms.identity.resources.federation import store as federation
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.project import resource as project_resource
from stackyard.rooms.identity.resources.user import belongings, resource, store


def target(work: Work, user: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. A list is judged by the caller's own domain and narrowed to it."""
    # What a path names and is not there is nobody's, the caller least of all.
    user_id = user.get("id") or work.params.get("id")
    return members(
        {
            "user_id": user_id,
            "target.user.id": user_id,
            "target.user.domain_id": user.get("domain_id"),
            "target.domain_id": work.caller.domain_id,
        }
    )


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """With the token of a domain, only its people; of federated users those that are asked for."""
    statement = federation.narrowed(statement, resource.USER.table.c.id, query)
    if work.caller.domain_id:
        return statement.where(resource.USER.table.c.domain_id == work.caller.domain_id)
    return statement


def view(work: Work, user: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was never given, as Keystone does."""
    for name in ("default_project_id", "description", "email", "federated"):
        if not shown.get(name):
            shown.pop(name, None)
    return shown


def hash_new(services: Services, caller: Caller, wanted: Record) -> None:
    """Replace a given password by its hash, before any transaction opens: hashing takes a quarter of a second."""
    password = wanted.pop("password", None)
    if password is not None:
        wanted["password_hash"] = hash_password(password, services.settings.password_cost)
        wanted["password_from"] = "api"


def create(work: Work, wanted: Record) -> Record:
    """Make a user. Raises NotFound for an unknown domain, Conflict for a name that is taken in it."""
    domain = rows.existing(work, domains.DOMAIN, wanted.get("domain_id") or rows.own_domain(work), is_domain=True)
    rows.free_name(work, resource.USER, wanted["name"], domain_id=domain.id)
    _check_default_project(work, wanted)
    user = kernel_rows.insert(work, resource.USER, {**wanted, "domain_id": domain.id})
    people.stand_for(work, user.id, wanted.get("federated"))
    return user


def _check_default_project(work: Work, wanted: Record) -> None:
    if not wanted.get("default_project_id"):
        return
    project = work.tx.get(project_resource.PROJECT.table, id=wanted["default_project_id"])
    # Any project will do, even one that is not there: the API grants nothing by it. Only a domain is refused.
    if project is not None and project.is_domain:
        raise invalid("default_project_id", "a domain cannot be a user's default project.")


def update(work: Work, user: Record, changes: Record) -> Record:
    """Change a user. A new password, or disabling, ends every token of theirs."""
    rows.unchanged(user, changes, "domain_id")
    if changes.get("name", user.name) != user.name:
        rows.free_name(work, resource.USER, changes["name"], domain_id=user.domain_id)
    _check_default_project(work, changes)
    rows.merge_options(user, changes)
    if "password_hash" in changes or (user.enabled and changes.get("enabled") is False):
        changes["generation"] = user.generation + 1
    people.stand_for(work, user.id, changes.get("federated"))
    return kernel_rows.change(work, resource.USER, user, changes)


def delete(work: Work, user: Record, query: Record) -> None:
    """Delete a user with their memberships and roles."""
    memberships.leave(work.tx, user_id=user.id)
    federation.forget_user(work.tx, user.id)
    assignments.remove_actor(work.tx, user.id)
    belongings.remove_of_users(work.tx, [user.id])
    kernel_rows.remove(work, resource.USER, user)


def projects(work: Work, user: Record, body: Record, query: Record) -> dict[str, Any]:
    """The projects the user has a role on."""
    found = store.projects_of(work.tx, user.id)
    return render.collection(work, project_resource.PROJECT, found, f"users/{user.id}/projects")


def groups_of(work: Work, user: Record, body: Record, query: Record) -> dict[str, Any]:
    """The groups the user is in."""
    found = [each for each in store.groups_of(work.tx, user.id) if rows.in_reach(work, each)]
    return render.collection(work, groups.GROUP, found, f"users/{user.id}/groups")
