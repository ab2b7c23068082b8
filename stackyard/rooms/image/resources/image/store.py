"""The rows of images with their tags and properties: queries, and the form in which answers carry them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.query import visible_rows
from stackyard.kernel.storage import database, rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.image import listing, resource
from stackyard.rooms.image.resources.image.listing import Bound, Listing, Moment
from stackyard.rooms.image.resources.member.store import MEMBERS
from stackyard.rooms.image.vault import ROOM, staged, vault

TAGS = database.table(
    "image_tags",
    database.Column("image_id", sa.String(64), primary_key=True),
    database.Column("value", sa.String(255), primary_key=True, index=True),
)
#: Which stores have what, whole. `key`: an image's id, or `vault.staged` of it; `host`: the server whose store it is.
COPIES = database.table(
    "image_copies",
    database.Column("key", sa.String(80), primary_key=True),
    database.Column("store", sa.String(64), primary_key=True, index=True),
    database.Column("host", sa.String(255), nullable=False),
)
PROPERTIES = database.table(
    "image_properties",
    database.Column("image_id", sa.String(64), primary_key=True),
    database.Column("name", sa.String(255), primary_key=True),
    database.Column("value", sa.Text(), nullable=False),
)


def load(work: Work, records: Sequence[Record]) -> None:
    """Give each record its `tags` and `properties`, with one query for each kind."""
    by_id = {each.id: each for each in records}
    for each in records:
        each["tags"], each["properties"] = [], {}
    for tag in work.tx.all(sa.select(TAGS).where(TAGS.c.image_id.in_(by_id)).order_by(TAGS.c.value)):
        by_id[tag.image_id]["tags"].append(tag.value)
    for each in work.tx.all(sa.select(PROPERTIES).where(PROPERTIES.c.image_id.in_(by_id)).order_by(PROPERTIES.c.name)):
        by_id[each.image_id]["properties"][each.name] = each.value


def representation(work: Work, record: Record, shown: Mapping[str, Any]) -> dict[str, Any]:
    """An image as answers carry it: its properties beside its attributes, its links as paths below the service."""
    path = f"{resource.IMAGE.path}/{record.id}"
    return {
        **record.get("properties", {}),
        **shown,
        **_where(record, vault(work.services).store.name),
        "tags": record.get("tags", []),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def _where(record: Record, name: str) -> dict[str, str]:
    """Which store has the data, is getting it, or failed to: the words Glance's clients wait for after an import."""
    if record.status in ("active", "deactivated"):
        return {"stores": name}
    if record.status == "importing":
        return {"os_glance_importing_to_stores": name, "os_glance_failed_import": ""}
    if record.status == "queued" and record.status_reason:
        return {"os_glance_failed_import": name, "os_glance_failed_import_reason": record.status_reason}
    return {}


def set_tags(work: Work, image_id: str, tags: Iterable[str]) -> None:
    """Make these the image's tags."""
    work.tx.delete(TAGS, image_id=image_id)
    work.tx.insert_many(TAGS, [{"image_id": image_id, "value": each} for each in tags])


def remove_tag(work: Work, image_id: str, tag: str) -> bool:
    """Take one tag away; whether it was there."""
    return work.tx.delete(TAGS, image_id=image_id, value=tag) > 0


def set_properties(work: Work, image_id: str, properties: Mapping[str, str]) -> None:
    """Make these the image's properties."""
    work.tx.delete(PROPERTIES, image_id=image_id)
    work.tx.insert_many(PROPERTIES, [{"image_id": image_id, "name": k, "value": v} for k, v in properties.items()])


def remove(work: Work, record: Record) -> None:
    """Delete an image's rows."""
    for each in (TAGS, PROPERTIES, MEMBERS):
        work.tx.delete(each, image_id=record.id)
    forget_copies(work, record.id, staged(record.id))
    rows.remove(work, resource.IMAGE, record)


def add_copy(work: Work, key: str, store: str, host: str) -> None:
    """A store has what belongs to this key."""
    if not work.tx.update(COPIES, {"host": host}, key=key, store=store):
        work.tx.insert(COPIES, {"key": key, "store": store, "host": host})


def copies(work: Work, keys: Iterable[str] | None = None) -> list[Record]:
    """Where what belongs to these keys is, or to all there are: `key`, `store`, `host`."""
    asked = sa.select(COPIES)
    return work.tx.all(asked if keys is None else asked.where(COPIES.c.key.in_(keys)))


def store_is_at(work: Work, store: str, host: str) -> None:
    """A store is that server's."""
    moved = sa.update(COPIES).where(COPIES.c.store == store, COPIES.c.host != host)
    work.tx.execute(moved.values(host=host))


def forget_copy(work: Work, key: str, store: str) -> None:
    """This store has it no longer."""
    work.tx.delete(COPIES, key=key, store=store)


def forget_copies(work: Work, *keys: str) -> None:
    """No image needs what belongs to these keys: have every server remove what it has of it."""
    stores = {each.store for each in copies(work, keys)}
    work.tx.execute(sa.delete(COPIES).where(COPIES.c.key.in_(keys)))
    if stores - {vault(work.services).store.id}:
        work.services.signal_all(work.tx, ROOM)


def row(work: Work, image_id: str) -> Record | None:
    """The image, whoever asks."""
    return work.tx.get(resource.IMAGE.table, id=image_id)


def every(work: Work, image_id: str | None = None) -> list[Record]:
    """Every image, whoever asks, or the one of this id."""
    table = resource.IMAGE.table
    asked = sa.select(table).order_by(table.c.created_at)
    return work.tx.all(asked if image_id is None else asked.where(table.c.id == image_id))


def named(work: Work, name: str) -> list[Record]:
    """The images of this name that a caller means by it: their own, public ones, and shared ones they accepted; oldest
    first. Community images are left out, or a stranger could take a name over; so are, for an administrator, the
    images of other projects."""
    table = resource.IMAGE.table
    known = sa.or_(table.c.visibility == "public", _own_or_shared(work.caller.project_id, "accepted"))
    statement = sa.select(table).where(table.c.name == name, table.c.os_hidden.is_(False), known)
    return work.tx.all(statement.order_by(table.c.created_at, table.c.id))


def page(work: Work, asked: Listing) -> tuple[list[Record], str | None]:
    """One page of a list, and the marker of the next if there is one. Raises BadRequest for an unknown marker."""
    statement = _selected(work, asked)
    if asked.marker:
        statement = statement.where(_after(work, asked))
    order = [_ordered(name).asc() if ascending else _ordered(name).desc() for name, ascending in asked.order]
    records = work.tx.all(statement.order_by(*order).limit(asked.limit + 1))
    more = len(records) > asked.limit
    records = records[: asked.limit]
    load(work, records)
    return records, records[-1].id if more and records else None


def selected(work: Work, raw: Sequence[tuple[str, str]]) -> Any:
    """A select of what a list with this query string shows, on whatever page. Raises BadRequest."""
    return _selected(work, listing.read(raw))


def _selected(work: Work, asked: Listing) -> Any:
    table = resource.IMAGE.table
    shown = visible_rows(work, resource.IMAGE).where(_offered(work, asked), table.c.os_hidden.is_(asked.hidden))
    return shown.where(*_conditions(asked))


def _offered(work: Work, asked: Listing) -> Any:
    """What lists show of what the caller may see: not everything shared, nor strangers' community images, unless
    asked."""
    table, project = resource.IMAGE.table, work.caller.project_id
    own = table.c.owner == project
    wanted = table.c.visibility == asked.visibility if asked.visibility not in (None, "all") else sa.true()
    if asked.visibility is None:
        wanted = sa.or_(table.c.visibility != "community", own)
    if work.caller.is_admin:
        return wanted
    return sa.and_(
        wanted, sa.or_(table.c.visibility.in_(("public", "community")), _own_or_shared(project, asked.member_status))
    )


def _own_or_shared(project: str | None, member_status: str) -> Any:
    table = resource.IMAGE.table
    membership = sa.select(MEMBERS.c.image_id).where(MEMBERS.c.member_id == project)
    if member_status != "all":
        membership = membership.where(MEMBERS.c.status == member_status)
    shared = sa.and_(table.c.visibility == "shared", table.c.id.in_(membership))
    return sa.or_(table.c.owner == project, shared)


def _conditions(asked: Listing) -> Iterable[Any]:
    table = resource.IMAGE.table
    for name, values in asked.among.items():
        yield table.c[name].in_(values)
    for tag in asked.tags:
        yield table.c.id.in_(sa.select(TAGS.c.image_id).where(TAGS.c.value == tag))
    for name, value in asked.properties.items():
        yield table.c.id.in_(
            sa.select(PROPERTIES.c.image_id).where(PROPERTIES.c.name == name, PROPERTIES.c.value == value)
        )
    for bound in asked.bounds:
        yield _within(bound)
    for moment in asked.moments:
        yield _compared(moment)


def _within(bound: Bound) -> Any:
    column = resource.IMAGE.table.c[bound.column]
    return column >= bound.least if bound.least is not None else column <= bound.greatest


def _compared(moment: Moment) -> Any:
    """Answers show whole seconds, so a second is what is compared with, to its last microsecond."""
    column = resource.IMAGE.table.c[moment.column]
    first, last = (moment.when.replace(microsecond=each) for each in (0, 999_999))
    comparisons = {
        "gt": column > last,
        "gte": column >= first,
        "lt": column < first,
        "lte": column <= last,
        "eq": sa.and_(column >= first, column <= last),
        "neq": sa.or_(column < first, column > last),
    }
    return comparisons[moment.operator]


def _ordered(name: str) -> Any:
    """The column as it sorts: what is not set counts as the least value, so that a marker on such an image works."""
    column = resource.IMAGE.table.c[name]
    if not resource.IMAGE.all_fields[name].null:
        return column
    return sa.func.coalesce(column, sa.literal(-1) if name == "size" else "")


def _after(work: Work, asked: Listing) -> Any:
    table = resource.IMAGE.table
    columns = [_ordered(name).label(f"k{place}") for place, (name, _) in enumerate(asked.order)]
    marked = visible_rows(work, resource.IMAGE).with_only_columns(*columns).where(table.c.id == asked.marker)
    at = work.tx.one(marked)
    if at is None:
        raise BadRequest(f"The marker '{(asked.marker or '')[:80]}' is no image you can see.", field="marker")
    alternatives = []
    for place, (name, ascending) in enumerate(asked.order):
        column, value = _ordered(name), at[f"k{place}"]
        equal = [_ordered(earlier) == at[f"k{index}"] for index, (earlier, _) in enumerate(asked.order[:place])]
        alternatives.append(sa.and_(*equal, column > value if ascending else column < value))
    return sa.or_(*alternatives)
