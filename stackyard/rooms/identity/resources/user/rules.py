"""Use cases of users."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Timestamp, invalid
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity import compliance, directories, render, rows
from stackyard.rooms.identity.passwords import hash_password
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.application_credential import store as application_credentials
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.federation import people
from stackyard.rooms.identity.resources.federation import store as federation
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.password import store as logins
from stackyard.rooms.identity.resources.project import resource as project_resource
from stackyard.rooms.identity.resources.token import delegation
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
    if "password_expires_at" in query:
        statement = statement.where(expiring(query["password_expires_at"])(resource.USER.table.c.password_expires_at))
    if work.caller.domain_id:
        return statement.where(resource.USER.table.c.domain_id == work.caller.domain_id)
    return statement


def expiring(text: str) -> Callable[[Any], Any]:
    """The condition on a moment (or a column of them) that a filter such as `lt:2016-12-08T22:02:00Z` stands for; a
    bare moment stands for `eq:`. Raises BadRequest."""
    word, _, moment = text.partition(":") if text[:1].isalpha() else ("eq", ":", text)
    if word not in _COMPARISONS:
        raise invalid("password_expires_at", f"the given operator {word} is none of {', '.join(_COMPARISONS)}.")
    at = Timestamp().parse(moment, "password_expires_at", False)
    return lambda expires: _COMPARISONS[word](expires, at)


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "eq": operator.eq, "neq": operator.ne,
}  # fmt: skip


def view(work: Work, user: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was never given, as Keystone does."""
    for name in ("default_project_id", "description", "email", "federated"):
        if not shown.get(name):
            shown.pop(name, None)
    rules = work.services.settings.security_compliance
    if rules.disable_user_account_days_inactive is not None:
        login = logins.login(work.tx, user.id)
        shown["enabled"] = user.enabled and not compliance.is_inactive(rules, user, login, work.now.date())
    return shown


def before_list(services: Services, caller: Caller, query: Record) -> None:
    """Look into the directory that the list is about, if there is one."""
    directories.before_list(services, caller, query, by_name=True)


def hash_new(services: Services, caller: Caller, wanted: Record) -> None:
    """Replace a given password by its hash, before any transaction opens: hashing takes a quarter of a second."""
    password = wanted.pop("password", None)
    if password is not None:
        compliance.check_strength(services.settings.security_compliance, password)
        wanted["password_hash"] = hash_password(password, services.settings.password_cost)
        wanted["password_from"] = "api"


def create(work: Work, wanted: Record) -> Record:
    """Make a user. Raises NotFound for an unknown domain, Conflict for a name that is taken in it."""
    domain = rows.existing(work, domains.DOMAIN, wanted.get("domain_id") or rows.own_domain(work), is_domain=True)
    directories.refuse_writes(work.services, work.tx, domain.id, "user")
    rows.free_name(work, resource.USER, wanted["name"], domain_id=domain.id)
    _check_default_project(work, wanted)
    _date_password(work, wanted, wanted.get("options") or {})
    user = kernel_rows.insert(work, resource.USER, {**wanted, "domain_id": domain.id})
    people.stand_for(work, user.id, wanted.get("federated"))
    _remember(work, user, wanted)
    logins.succeeded(work.tx, user.id, work.now.date())
    return user


def _date_password(work: Work, wanted: Record, options: Mapping[str, Any]) -> None:
    """A password that is given is good from now on, until the operator's rules say."""
    if "password_hash" in wanted:
        rules = work.services.settings.security_compliance
        wanted["password_set_at"] = work.now
        wanted["password_expires_at"] = compliance.expires_at(rules, options, wanted["password_set_at"], own=False)


def _remember(work: Work, user: Record, given: Record) -> None:
    if "password_hash" in given:
        most = work.services.settings.security_compliance.unique_last_password_count
        logins.remember(work.tx, user.id, given["password_hash"], given["password_set_at"], most)


def _check_default_project(work: Work, wanted: Record) -> None:
    if not wanted.get("default_project_id"):
        return
    project = work.tx.get(project_resource.PROJECT.table, id=wanted["default_project_id"])
    # Any project will do, even one that is not there: the API grants nothing by it. Only a domain is refused.
    if project is not None and project.is_domain:
        raise invalid("default_project_id", "a domain cannot be a user's default project.")


def update(work: Work, user: Record, changes: Record) -> Record:
    """Change a user. A new password, or disabling, ends every token of theirs; disabling deletes their application
    credentials, so that no program comes back with them."""
    directories.refuse_change("user", user)
    rows.unchanged(user, changes, "domain_id")
    if changes.get("name", user.name) != user.name:
        rows.free_name(work, resource.USER, changes["name"], domain_id=user.domain_id)
    _check_default_project(work, changes)
    rows.merge_options(user, changes)
    disables = user.enabled and changes.get("enabled") is False
    if "password_hash" in changes or disables:
        changes["generation"] = user.generation + 1
    if disables:
        application_credentials.remove_of_users(work.tx, [user.id])
    people.stand_for(work, user.id, changes.get("federated"))
    _date_password(work, changes, changes.get("options", user.options) or {})
    _remember(work, user, changes)
    if changes.get("enabled") or "password_hash" in changes:
        # An administrator lets them in again: neither locked nor inactive.
        logins.succeeded(work.tx, user.id, work.now.date())
    return kernel_rows.change(work, resource.USER, user, changes)


def end_tokens(work: Work, user: Record, body: Record, query: Record) -> None:
    """End every token of the user: for those who cannot change a password, which does the same. Raises Forbidden for a
    token that acts by the user's leave: it is not for that."""
    if work.caller.user_id == user.id:
        delegation.refuse_any(work)
    kernel_rows.change(work, resource.USER, user, {"generation": user.generation + 1})
    work.event(user.id, "tokens ended", "every token was revoked")


def delete(work: Work, user: Record, query: Record) -> None:
    """Delete a user with their memberships and roles."""
    directories.refuse_change("user", user)
    forget(work, user)


def forget(work: Work, user: Record) -> None:
    """The user is gone, with all that was theirs."""
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
    """The groups the user is in, and until when."""
    found = [each for each in store.groups_of(work.tx, user.id) if rows.in_reach(work, each)]
    until = memberships.expirations(work.tx, user.id)
    answer = render.collection(work, groups.GROUP, found, f"users/{user.id}/groups")
    for each in answer[groups.GROUP.many]:
        each["membership_expires_at"] = until.get(each["id"])
    return answer
