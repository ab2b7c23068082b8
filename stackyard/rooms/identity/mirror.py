"""What directories say, as rows: users, groups and memberships that tokens and assignments can be judged by.

Whoever comes from a directory has a row with the directory's own id for them in `local_id`, and a public id made from
it, which is the same each time and the same as Keystone's. Rows are only touched where they differ, so that a look at a
directory that has not changed changes nothing. Source of the ids: Keystone's id generator `sha256`.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from stackyard.kernel.caller import service_caller
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity.driver import Everything, Misconfigured, Person, Team
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import rules as group_rules
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.user import resource as users
from stackyard.rooms.identity.resources.user import rules as user_rules

log = logging.getLogger("stackyard.identity")

#: Rows written in one transaction, so that others write in between.
_AT_ONCE = 200
#: What a name or an id may have of characters; those of a longer id are not taken over.
_LONGEST = 255

Change = Callable[[Work], None]


def public_id(domain_id: str, kind: Literal["user", "group"], local_id: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(f"{domain_id}{kind}{local_id}".encode()).hexdigest()


def came_in(services: Services, domain_id: str, person: Person, teams: Sequence[Team]) -> str:
    """Write down somebody who has just proved who they are, and the groups they are in; returns their public id."""
    user_id = public_id(domain_id, "user", person.local_id)
    team_rows = [_group(domain_id, each) for each in teams]
    in_teams = {each.id for each in team_rows}
    with services.database.read() as tx:
        changes = [
            *_changes(users.USER, _rows(tx, users.USER, domain_id, [user_id]), [_user(domain_id, person)]),
            *_changes(groups.GROUP, _rows(tx, groups.GROUP, domain_id, in_teams), team_rows),
            *_membership_changes(_member_of(tx, domain_id, user_id), {(user_id, each) for each in in_teams}),
        ]
    _carry_out(services, changes)
    return user_id


def found(services: Services, domain_id: str, person: Person) -> None:
    """Write down somebody whom the directory knows."""
    with services.database.read() as tx:
        known = _rows(tx, users.USER, domain_id, [public_id(domain_id, "user", person.local_id)])
        changes = list(_changes(users.USER, known, [_user(domain_id, person)]))
    _carry_out(services, changes)


def whole(services: Services, domain_id: str, everything: Everything) -> int:
    """Make the rows of a domain what its directory says, and forget what it knows no more, with all that was theirs.
    Returns how many rows differed. Raises Misconfigured when it shows nobody any more: a right that was taken from the
    reader looks like that, and would take every role from everybody."""
    people = [each for each in everything.people if len(each.local_id) <= _LONGEST]
    teams = [each for each in everything.teams if len(each.local_id) <= _LONGEST]
    wanted = {
        (public_id(domain_id, "user", member), public_id(domain_id, "group", team.local_id))
        for team in teams
        for member in team.members
    }
    with services.database.read() as tx:
        known_users, known_teams = (_rows(tx, each, domain_id) for each in (users.USER, groups.GROUP))
        theirs = _memberships(tx, known_teams)
    user_rows = _of_one_name([_user(domain_id, each) for each in people])
    team_rows = _of_one_name([_group(domain_id, each) for each in teams])
    named = {each.id for each in user_rows}
    if known_users and not people:
        raise Misconfigured("the directory shows nobody at all any more, which is not believed: nobody is forgotten")
    changes = [
        *_goings(users.USER, known_users, user_rows),
        *_goings(groups.GROUP, known_teams, team_rows),
        *_changes(users.USER, known_users, user_rows),
        *_changes(groups.GROUP, known_teams, team_rows),
        *_membership_changes(theirs, {each for each in wanted if each[0] in named}),
    ]
    _carry_out(services, changes)
    return len(changes)


def _of_one_name(rows: Sequence[Record]) -> list[Record]:
    """One row for each name: of two that have the same, the one whose id comes first."""
    by_name: dict[str, Record] = {}
    for row in sorted(rows, key=lambda each: str(each.local_id)):
        if by_name.setdefault(row.name, row) is not row:
            log.warning("two of a directory have one name: only the first is known", extra={"row": row.id})
    return list(by_name.values())


def _user(domain_id: str, person: Person) -> Record:
    return Record(
        id=public_id(domain_id, "user", person.local_id), local_id=person.local_id, domain_id=domain_id,
        name=person.name[:_LONGEST], enabled=person.enabled, description=person.description,
        email=person.email[:_LONGEST] if person.email else None,
        default_project_id=person.default_project_id[:64] if person.default_project_id else None,
        extra=dict(person.extra),
    )  # fmt: skip


def _group(domain_id: str, team: Team) -> Record:
    return Record(
        id=public_id(domain_id, "group", team.local_id), local_id=team.local_id, domain_id=domain_id,
        name=team.name[:_LONGEST], description=team.description or "", extra=dict(team.extra),
    )  # fmt: skip


def _rows(tx: Transaction, resource: Resource, domain_id: str, ids: Any = None) -> dict[str, Record]:
    """The rows of a domain that mirror its directory: all, or those of these ids."""
    if ids is None:
        found = tx.find(resource.table, domain_id=domain_id)
    else:
        found = [row for each in ids if (row := tx.get(resource.table, id=each)) is not None]
    return {row.id: row for row in found if row.local_id is not None}


def _member_of(tx: Transaction, domain_id: str, user_id: str) -> set[tuple[str, str]]:
    held = [row.group_id for row in tx.find(memberships.MEMBERSHIP, user_id=user_id)]
    return {(user_id, each) for each in _rows(tx, groups.GROUP, domain_id, held)}


def _memberships(tx: Transaction, teams: Mapping[str, Record]) -> set[tuple[str, str]]:
    return {
        (row.user_id, row.group_id) for each in teams for row in tx.find(memberships.MEMBERSHIP, group_id=each)
    }  # fmt: skip


def _goings(resource: Resource, known: Mapping[str, Record], wanted: Sequence[Record]) -> Iterator[Change]:
    forget = user_rules.forget if resource is users.USER else group_rules.forget
    there = {each.id for each in wanted}
    for row in known.values():
        if row.id not in there:
            yield lambda work, row=row: forget(work, row)  # type: ignore[misc]


def _changes(resource: Resource, known: Mapping[str, Record], wanted: Sequence[Record]) -> Iterator[Change]:
    for row in wanted:
        before = known.get(row.id)
        if before is None or any(before.get(name) != value for name, value in row.items()):
            yield lambda work, row=row: _put(work, resource, row)  # type: ignore[misc]


def _put(work: Work, resource: Resource, row: Record) -> None:
    """The row as the directory has it. Whoever of the directory had its name has another by now, which comes next;
    whoever is not of the directory keeps it."""
    before = work.tx.get(resource.table, id=row.id)
    same_name = work.tx.get(resource.table, domain_id=row.domain_id, name=row.name)
    if same_name is not None and same_name.id != row.id:
        if same_name.local_id is None:
            log.warning("a name in a directory is taken by a user or group of this cloud", extra={"row": row.id})
            return
        kernel_rows.change(work, resource, same_name, {"name": same_name.id})
    if before is None:
        kernel_rows.insert(work, resource, row)
        return
    changed = {name: value for name, value in row.items() if before.get(name) != value}
    # Attributes that the directory has no more are taken away, which a change says by null.
    changed["extra"] = {**dict.fromkeys(before.extra or {}), **row.extra}
    if before.get("enabled") and row.get("enabled") is False:
        changed["generation"] = before.generation + 1
    kernel_rows.change(work, resource, before, changed)


def _membership_changes(known: set[tuple[str, str]], wanted: set[tuple[str, str]]) -> Iterator[Change]:
    for user_id, group_id in sorted(wanted - known):
        yield lambda work, u=user_id, g=group_id: _join(work, u, g)  # type: ignore[misc]
    for user_id, group_id in sorted(known - wanted):
        yield lambda work, u=user_id, g=group_id: _leave(work, u, g)  # type: ignore[misc]


def _join(work: Work, user_id: str, group_id: str) -> None:
    there = (work.tx.get(users.USER.table, id=user_id), work.tx.get(groups.GROUP.table, id=group_id))
    if all(there):
        memberships.join(work.tx, user_id, group_id)
        work.event(user_id, "joined", f"joined group {group_id}, says the directory")


def _leave(work: Work, user_id: str, group_id: str) -> None:
    memberships.leave(work.tx, user_id=user_id, group_id=group_id)
    work.event(user_id, "left", f"left group {group_id}, says the directory")


def _carry_out(services: Services, changes: Sequence[Change]) -> None:
    for start in range(0, len(changes), _AT_ONCE):
        with services.database.write() as tx:
            work = services.work(tx, service_caller("identity"))
            for each in changes[start : start + _AT_ONCE]:
                each(work)
