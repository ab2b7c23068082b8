"""Use cases of groups and their members."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import NotFound
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity import directories, render, rows
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.group import resource, store
from stackyard.rooms.identity.resources.user import resource as user_resource
from stackyard.rooms.identity.resources.user import rules as user_rules
from stackyard.rooms.identity.resources.user import store as user_store


def target(work: Work, group: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name, with the user in the path if there is one."""
    domain = group.get("domain_id")
    # What a path names and is not there has no domain; a list and a new group without one have the caller's.
    if domain is None and "id" not in group and "id" not in work.params:
        domain = rows.own_domain(work) if "name" in group else work.caller.domain_id
    named = user_store.by_id(work.tx, work.params["user_id"]) if "user_id" in work.params else None
    return members(
        {
            "target.group.id": group.get("id"),
            "target.group.domain_id": domain,
            "target.user.domain_id": named.domain_id if named else None,
        }
    )


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """With the token of a domain, only what is in it: for its administrator too."""
    if work.caller.domain_id:
        return statement.where(resource.GROUP.table.c.domain_id == work.caller.domain_id)
    return statement


def before_list(services: Services, caller: Caller, query: Record) -> None:
    """Look into the directory that the list is about, if there is one."""
    directories.before_list(services, caller, query, by_name=False)


def create(work: Work, wanted: Record) -> Record:
    """Make a group. Raises NotFound for an unknown domain, Conflict for a name that is taken in it."""
    domain = rows.existing(work, domains.DOMAIN, wanted.get("domain_id") or rows.own_domain(work), is_domain=True)
    directories.refuse_writes(work.services, work.tx, domain.id, "group")
    rows.free_name(work, resource.GROUP, wanted["name"], domain_id=domain.id)
    return kernel_rows.insert(work, resource.GROUP, {**wanted, "domain_id": domain.id})


def update(work: Work, group: Record, changes: Record) -> Record:
    """Change a group."""
    directories.refuse_change("group", group)
    rows.unchanged(group, changes, "domain_id")
    if changes.get("name", group.name) != group.name:
        rows.free_name(work, resource.GROUP, changes["name"], domain_id=group.domain_id)
    return kernel_rows.change(work, resource.GROUP, group, changes)


def delete(work: Work, group: Record, query: Record) -> None:
    """Delete a group; its members lose the roles it held."""
    directories.refuse_change("group", group)
    forget(work, group)


def forget(work: Work, group: Record) -> None:
    """The group is gone, with all that was its."""
    store.leave(work.tx, group_id=group.id)
    assignments.remove_actor(work.tx, group.id)
    kernel_rows.remove(work, resource.GROUP, group)


def users(work: Work, group: Record, body: Record, query: Record) -> dict[str, Any]:
    """The users in the group."""
    found = [each for each in user_store.in_group(work.tx, group.id) if rows.in_reach(work, each)]
    if "password_expires_at" in work.query:
        expiring = user_rules.expiring(work.query["password_expires_at"])
        found = [each for each in found if each.password_expires_at and expiring(each.password_expires_at)]
    return render.collection(work, user_resource.USER, found, f"groups/{group.id}/users")


def check(work: Work, group: Record, body: Record, query: Record) -> None:
    """Whether the user is in the group. Raises NotFound."""
    user = rows.existing(work, user_resource.USER, work.params["user_id"])
    if not store.is_member(work.tx, user.id, group.id):
        raise NotFound(f"User '{user.id}' not found in group '{group.id}'.")


def join(work: Work, group: Record, body: Record, query: Record) -> None:
    """Add a user; adding twice changes nothing."""
    directories.refuse_change("group", group)
    user = rows.existing(work, user_resource.USER, work.params["user_id"])
    store.join(work.tx, user.id, group.id)
    work.event(user.id, "joined", f"joined group {group.name}")


def leave(work: Work, group: Record, body: Record, query: Record) -> None:
    """Take a user out, which ends their tokens, as in Keystone. Raises NotFound when they are not in."""
    directories.refuse_change("group", group)
    check(work, group, body, query)
    user = rows.existing(work, user_resource.USER, work.params["user_id"])
    store.leave(work.tx, user_id=user.id, group_id=group.id)
    kernel_rows.change(work, user_resource.USER, user, {"generation": user.generation + 1})
    work.event(user.id, "left", f"left group {group.name}")
