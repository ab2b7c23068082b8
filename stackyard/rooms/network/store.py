"""Queries that several of the room's resources share."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.rooms.network.policies import sees_all


def own_rows(caller: Caller, source: sa.Table) -> sa.ColumnElement[bool] | None:
    """Visible: the caller's project's rows; administrators and services see all."""
    return None if sees_all(caller) else source.c.project_id == caller.project_id


def tagged(statement: Any, source: sa.Table, query: dict[str, Any]) -> Any:
    """The select narrowed by tags, tags-any, not-tags and not-tags-any, each a list of comma-separated words."""
    text = sa.cast(source.c.tags, sa.Text)

    def has(words: list[str]) -> list[sa.ColumnElement[bool]]:
        return [text.contains(f'"{word}"', autoescape=True) for entry in words for word in entry.split(",")]

    if words := query.get("tags"):
        statement = statement.where(sa.and_(*has(words)))
    if words := query.get("tags-any"):
        statement = statement.where(sa.or_(*has(words)))
    if words := query.get("not-tags"):
        statement = statement.where(sa.not_(sa.and_(*has(words))))
    if words := query.get("not-tags-any"):
        statement = statement.where(sa.not_(sa.or_(*has(words))))
    return statement
