"""Lists: which rows, in which order, one page at a time, as the query string asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.declare.resource import Field, Resource
from stackyard.kernel.errors import ApiError, BadRequest
from stackyard.kernel.recent import Recent
from stackyard.kernel.request.shapes import read_query
from stackyard.kernel.storage.database import Json, Record
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Work

_CONTROL = {"limit", "marker", "sort_key", "sort_dir", "sort", "fields", "page_reverse"}
_TEXT_FILTERS = {
    "contains": lambda column, text: column.contains(text, autoescape=True),
    "icontains": lambda column, text: column.icontains(text, autoescape=True),
    "startswith": lambda column, text: column.startswith(text, autoescape=True),
    "istartswith": lambda column, text: column.istartswith(text, autoescape=True),
    "endswith": lambda column, text: column.endswith(text, autoescape=True),
    "iendswith": lambda column, text: column.iendswith(text, autoescape=True),
}


@dataclass(frozen=True)
class Page:
    """One page of a list: its records, and the marker of the next page if there is one."""

    records: list[Record]
    next_marker: str | None
    previous_marker: str | None = None


def visible_rows(work: Work, resource: Resource) -> sa.Select[Any]:
    """A select of the rows of this resource that the caller may know of, below the parents named in the path."""
    statement = _known(work, resource).rows
    for placeholder, column in resource.parents.items():
        statement = statement.where(resource.table.c[column] == work.params[placeholder])
    return statement


def visible_row(work: Work, resource: Resource, key: str) -> Record | None:
    """The row of this id, if the caller may know of it."""
    parents = {placeholder: work.params[placeholder] for placeholder in resource.parents}
    return work.tx.one(_known(work, resource).row, **parents, **{_KEY: key})


@dataclass(frozen=True)
class _Known:
    """The statements that find what a caller may know of. It holds whom and what it is about, so that nobody else gets
    their id."""

    caller: Caller
    resource: Resource
    rows: sa.Select[Any]
    row: Statement


#: To build a statement costs more than to run it. The same token's requests share one caller: see identity's tokens.
_MOST_STATEMENTS = 500
_STATEMENTS: Recent[tuple[int, int], _Known] = Recent(_MOST_STATEMENTS)
_KEY = "its_own_key"


def _known(work: Work, resource: Resource) -> _Known:
    key = id(resource), id(work.caller)
    found = _STATEMENTS.get(key)
    if found is None:
        found = _statements(work.caller, resource)
        _STATEMENTS.put(key, found)
    return found


def _statements(caller: Caller, resource: Resource) -> _Known:
    table = resource.table
    rows = sa.select(table)
    condition = resource.visible(caller, table)
    if condition is not None:
        rows = rows.where(condition)
    row = rows.where(table.c[resource.id_field] == parameter(_KEY))
    for placeholder, column in resource.parents.items():
        row = row.where(table.c[column] == parameter(placeholder))
    return _Known(caller, resource, rows, Statement(row, rare=True))


def page(work: Work, resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]]) -> Page:
    """The page that the query string asks for. Raises BadRequest for a bad limit, sort or filter, and what the dialect
    says for an unknown marker."""
    marker = dict(raw).get("marker") if dialect.paging else None
    listed = _listed(work, resource, dialect, [each for each in raw if each[0] != "marker"])
    statement = listed.after(_after(work, resource, dialect, listed.keys, raw, marker)) if marker else listed.first
    return _cut(work.tx.all(statement), listed.limit, listed.backwards, resource.id_field, marker is not None)


def page_among(
    records: Sequence[Record], dialect: Dialect, raw: Sequence[tuple[str, str]], noun: str, key: str = "id"
) -> Page:
    """The page that the query string asks for of records that are at hand, in their order. Raises BadRequest for a bad
    limit, and what the dialect says for an unknown marker."""
    asked = dict(raw)
    if marker := asked.get("marker"):
        place = next((index for index, each in enumerate(records) if each[key] == marker), None)
        if place is None:
            raise _unknown_marker(dialect, marker, noun)
        records = records[place + 1 :]
    return _cut(list(records), _limit(asked.get("limit"), dialect), False, key, marker is not None)


def urls(path: str, query: str, next_marker: str | None) -> tuple[str, str | None]:
    """Where the page itself is, by the query string as it came, and where the next one is, if there is one."""
    own = f"{path}?{query}" if query else path
    if next_marker is None:
        return own, None
    kept = [each for each in parse_qsl(query, keep_blank_values=True) if each[0] != "marker"]
    return own, f"{path}?{urlencode([*kept, ('marker', next_marker)])}"


@dataclass(frozen=True)
class _Listed:
    """What a query string without a marker asks of a caller's list. It holds whom and what it is about, as _Known."""

    caller: Caller
    resource: Resource
    rows: sa.Select[Any]
    keys: list[tuple[str, bool]]
    order: Sequence[Any]
    limit: int | None
    backwards: bool
    first: Statement

    def after(self, condition: Any) -> sa.Select[Any]:
        """The page behind a place in the order."""
        return _page_of(self.rows.where(condition), self.order, self.limit)


_LISTED: Recent[tuple[Any, ...], _Listed] = Recent(_MOST_STATEMENTS)


def _listed(work: Work, resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]]) -> _Listed:
    key = (id(resource), id(work.caller), work.version, *work.params.values(), *raw)
    found = _LISTED.get(key)
    if found is None:
        found = _asked(work, resource, dialect, raw)
        _LISTED.put(key, found)
    return found


def _asked(work: Work, resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]]) -> _Listed:
    values = dict(raw) if dialect.paging else {}
    rows = matching(work, resource, dialect, raw)
    backwards = dialect.page_reverse and values.get("page_reverse", "").lower() in ("true", "1")
    keys = [(name, up != backwards) for name, up in _sort_keys(resource, dialect, raw if dialect.paging else [])]
    order = [_ordered(resource, name).asc() if up else _ordered(resource, name).desc() for name, up in keys]
    limit = _limit(values.get("limit"), dialect) if dialect.paging else None
    first = Statement(_page_of(rows, order, limit), rare=True)
    return _Listed(work.caller, resource, rows, keys, order, limit, backwards, first)


def _page_of(rows: sa.Select[Any], order: Sequence[Any], limit: int | None) -> sa.Select[Any]:
    """With one row more than asked for, which tells whether there is another page."""
    ordered = rows.order_by(*order)
    return ordered if limit is None else ordered.limit(limit + 1)


def matching(work: Work, resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]]) -> sa.Select[Any]:
    """A select of the rows that the caller may know of and the query string's filters leave. Raises BadRequest for a
    bad filter."""
    if resource.selects is not None:
        own: sa.Select[Any] = resource.selects(work, raw)
        return own
    query = read_query(resource.list_query, raw, work.version)
    declared = {each.name for each in resource.list_query if each.exists_in(work.version)}
    statement = _filtered(work, resource, dialect, raw, declared)
    if resource.narrow:
        statement = resource.narrow(work, statement, query)
    return statement


def _cut(records: list[Record], limit: int | None, backwards: bool, key: str, marked: bool) -> Page:
    more = limit is not None and len(records) > limit
    records = records[:limit] if more else records
    if backwards:
        records = records[::-1]
        return Page(
            records, records[-1][key] if records and marked else None, records[0][key] if records and more else None
        )
    return Page(
        records, records[-1][key] if more and records else None, records[0][key] if records and marked else None
    )


def _limit(text: str | None, dialect: Dialect) -> int | None:
    if text is None:
        return dialect.default_limit
    if not text.isdecimal():
        raise invalid("limit", f"'{text[:40]}' is not a whole number of zero or more.")
    asked = int(text)
    if asked == 0 and dialect.default_limit is None:
        return None
    return min(asked, dialect.maximum_limit)


def _sort_keys(resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]]) -> list[tuple[str, bool]]:
    keys = [value for name, value in raw if name == "sort_key"]
    directions = [value for name, value in raw if name == "sort_dir"]
    for name, value in raw:
        if name == "sort":
            for entry in value.split(","):
                key, _, direction = entry.partition(":")
                keys.append(key)
                directions.append(direction or ("desc" if dialect.sort_parameter == "sort" else "asc"))
    chosen: list[tuple[str, bool]] = []
    default_column, default_direction = resource.default_sort or (_default_order(resource), "asc")
    for index, key in enumerate(keys or [default_column]):
        direction = (
            directions[index] if index < len(directions) else (directions[-1] if directions else default_direction)
        )
        each = resource.all_fields.get(key) or next((f for f in resource.all_fields.values() if f.alias == key), None)
        if each is None or not (each.sort and each.stored and each.read):
            raise BadRequest(f"'{key[:80]}' is not an attribute that lists can be sorted by.", field="sort_key")
        if direction not in ("asc", "desc"):
            raise BadRequest(
                f"'{direction[:80]}' is not a sort direction.", field="sort_dir", remedy="Give asc or desc."
            )
        chosen.append((each.name, direction == "asc"))
    if all(name != resource.id_field for name, _ in chosen):
        chosen.append((resource.id_field, chosen[0][1]))
    return chosen


def _default_order(resource: Resource) -> str:
    return "created_at" if "created_at" in resource.all_fields else resource.id_field


def _comparable(column: "sa.Column[Any]") -> Any:
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer)
    return sa.type_coerce(column, sa.Text) if isinstance(column.type, Json) else column


def _ordered(resource: Resource, name: str) -> Any:
    """The column as it sorts: as what is stored, nulls as the least value, so that a marker on one works, and no before
    yes on every database."""
    each, column = resource.all_fields[name], _comparable(resource.table.c[name])
    if not each.null:
        return column
    return sa.func.coalesce(column, "" if each.kind.storage in ("text", "json") else sa.literal(-1).cast(sa.BigInteger))


def _after(
    work: Work,
    resource: Resource,
    dialect: Dialect,
    keys: list[tuple[str, bool]],
    raw: Sequence[tuple[str, str]],
    marker: str,
) -> Any:
    """Rows that come after the marker in this order: the first differing key decides."""
    columns = [_ordered(resource, name).label(f"k{index}") for index, (name, _) in enumerate(keys)]
    known = visible_rows(work, resource).where(resource.table.c[resource.id_field] == marker)
    if resource.narrow:
        known = resource.narrow(work, known, read_query(resource.list_query, raw, work.version))
    at = work.tx.one(known.with_only_columns(*columns))
    if at is None:
        raise _unknown_marker(dialect, marker, resource.name)
    alternatives = []
    for index, (name, ascending) in enumerate(keys):
        column, value = _ordered(resource, name), at[f"k{index}"]
        equal = [_ordered(resource, earlier) == at[f"k{place}"] for place, (earlier, _) in enumerate(keys[:index])]
        alternatives.append(sa.and_(*equal, column > value if ascending else column < value))
    return sa.or_(*alternatives)


def _unknown_marker(dialect: Dialect, marker: str, noun: str) -> ApiError:
    return dialect.unknown_marker(
        f"The marker '{marker[:80]}' is no {noun} you can see.", field="marker", kind="MarkerNotFound"
    )


def _filtered(
    work: Work, resource: Resource, dialect: Dialect, raw: Sequence[tuple[str, str]], declared: set[str]
) -> sa.Select[Any]:
    statement = visible_rows(work, resource)
    wanted: dict[str, list[str]] = {}
    for name, value in raw:
        if name not in _CONTROL and name not in declared:
            wanted.setdefault(name, []).append(value)
    aliases = {each.alias: each.name for each in resource.all_fields.values() if each.alias}
    for name, values in wanted.items():
        statement = _narrowed(statement, resource, dialect, aliases.get(name, name), values)
    return statement


def _narrowed(statement: Any, resource: Resource, dialect: Dialect, name: str, values: list[str]) -> Any:
    each = resource.all_fields.get(name)
    if each is not None and each.filter and each.stored and each.read:
        if dialect.bare_flags and each.kind.storage == "boolean":
            values = [text or "true" for text in values]
        return statement.where(_one_of(resource.table.c[name], each, values))
    base, _, operator = name.rpartition("__")
    each = resource.all_fields.get(base) if base in resource.texts else None
    if dialect.text_filters and operator in _TEXT_FILTERS and each is not None and each.filter and each.stored:
        return statement.where(_TEXT_FILTERS[operator](resource.table.c[base], values[-1]))
    if (resource.unknown_filters or dialect.unknown_filters) == "refuse":
        raise BadRequest(f"'{name[:80]}' is not a filter of {resource.many}.", field=name, kind="HTTPBadRequest")
    return statement


def _one_of(column: Any, each: Field, values: list[str]) -> Any:
    """The filter of a field: any of the values; nothing means those without one, where that is no text."""
    wanted = [_filter_value(each, text) for text in values]
    given = column.in_([value for value in wanted if value is not None])
    return sa.or_(column.is_(None), given) if None in wanted else given


def _filter_value(each: Field, text: str) -> Any:
    if each.kind.storage == "text":
        return text
    if each.null and text == "":
        return None
    return each.kind.parse(text, each.name, False)
