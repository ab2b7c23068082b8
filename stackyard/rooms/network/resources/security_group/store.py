"""Security groups and rules in the database."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import security_group as groups


def _groups() -> sa.Table:
    return groups.SECURITY_GROUP.table


def _rules() -> sa.Table:
    return groups.SECURITY_GROUP_RULE.table


def default_or_none(work: Work, project_id: str) -> str | None:
    """The id of the project's default group, if it is made."""
    found = work.tx.get(_groups(), is_project_default=project_id)
    return found.id if found else None


def default_of(work: Work, project_id: str) -> str:
    """The id of the project's default group; made when this is the first time it is needed."""
    return default_or_none(work, project_id) or add_default(work, project_id).id


def add_default(work: Work, project_id: str) -> Record:
    """A project's default group: everything out, and in from one another."""
    group = rows.insert(
        work,
        groups.SECURITY_GROUP,
        {
            "name": "default",
            "description": "Default security group",
            "project_id": project_id,
            "is_project_default": project_id,
        },
        limited=False,
    )
    add_egress(work, group)
    for family in ("IPv4", "IPv6"):
        add_rule(work, group, direction="ingress", ethertype=family, remote_group_id=group.id)
    return group


def add_egress(work: Work, group: Record) -> None:
    """The two rules that every new group has: everything out."""
    for family in ("IPv4", "IPv6"):
        add_rule(work, group, direction="egress", ethertype=family)


def add_rule(work: Work, group: Record, **values: str) -> None:
    """Add one of the rules that a group comes with: no project is without room for them."""
    whole = {**values, "security_group_id": group.id, "project_id": group.project_id}
    rows.insert(work, groups.SECURITY_GROUP_RULE, whole, limited=False)


def usable_by(work: Work, project_id: str, group_ids: Sequence[str]) -> set[str]:
    """Which of these groups exist and may be worn by the project's ports."""
    asked = sa.select(_groups().c.id).where(_groups().c.id.in_(group_ids), _groups().c.project_id == project_id)
    return {each.id for each in work.tx.all(asked)}


def rules_of(work: Work, group_ids: Iterable[str]) -> dict[str, list[Record]]:
    """The rules of each group, oldest first."""
    found: dict[str, list[Record]] = {}
    asked = sa.select(_rules()).where(_rules().c.security_group_id.in_(set(group_ids)))
    for each in work.tx.all(asked.order_by(_rules().c.created_at, _rules().c.id)):
        found.setdefault(each.security_group_id, []).append(each)
    return found


def naming(work: Work, group_ids: Iterable[str]) -> set[str]:
    """The groups with a rule whose far end is one of these groups."""
    asked = sa.select(_rules().c.security_group_id).where(_rules().c.remote_group_id.in_(set(group_ids)))
    return {each.security_group_id for each in work.tx.all(asked)}


def same_rule(work: Work, wanted: Record) -> str | None:
    """The rule of the same group that allows exactly the same, if there is one."""
    names = (
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_group_id",
        "remote_ip_prefix",
    )
    # A null column equals only null, so each is compared with IS when nothing was asked.
    equal = [_rules().c[name].is_(None) if wanted[name] is None else _rules().c[name] == wanted[name] for name in names]
    asked = sa.select(_rules().c.id).where(_rules().c.security_group_id == wanted.security_group_id, *equal)
    found = work.tx.one(asked)
    return found.id if found else None


def remove_rules(work: Work, group_id: str) -> None:
    """A group's own rules, and those of other groups that name it, are gone."""
    work.tx.delete(_rules(), security_group_id=group_id)
    work.tx.delete(_rules(), remote_group_id=group_id)
