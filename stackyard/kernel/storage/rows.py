"""What the kernel does to a resource's rows, for rules that do more than the kernel's own verbs."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from stackyard.kernel import quota
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.resource import NO_DEFAULT, Field, Resource
from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.request.query import visible_row, visible_rows
from stackyard.kernel.request.shapes import show as shown
from stackyard.kernel.storage.database import Record
from stackyard.kernel.storage.engines import is_duplicate
from stackyard.kernel.work import Work


def insert(work: Work, resource: Resource, values: Mapping[str, Any], *, limited: bool = True) -> Record:
    """Add an object: `values` over defaults, id, owner and times. Raises Conflict when a unique field is taken, and
    QuotaExceeded when its project may have no more (`limited=False`: what the cloud makes of its own accord)."""
    record = Record()
    for name, each in resource.stored_fields.items():
        record[name] = values[name] if name in values else _given_by_cloud(work, resource, each)
    if limited and resource.quotas:
        quota.take(work, resource, record)
    try:
        work.tx.insert(resource.table, record)
    except Conflict as error:
        raise _duplicate(resource, record) from error
    work.event(
        record[resource.id_field],
        "created",
        f"{resource.name} {record.get('name') or record[resource.id_field]} was created",
    )
    return record


def _given_by_cloud(work: Work, resource: Resource, each: Field) -> Any:
    if each.name == resource.id_field:
        return each.kind.parse(work.new_id(), each.name, True)
    if each.name == "project_id":
        return work.caller.project_id if each.null else owner_of(work, {})
    if each.name == "created_at" or (each.name == "updated_at" and not each.null):
        return work.now
    if each.default is NO_DEFAULT:
        return None
    return each.default() if callable(each.default) else each.default


def owner_of(work: Work, wanted: Mapping[str, Any]) -> str:
    """The project that a new object belongs to: the one named (policy allowed it), or the caller's. Raises BadRequest
    when there is neither."""
    owner = wanted.get("project_id") or work.caller.project_id
    if not owner:
        raise BadRequest(
            "The token is scoped to no project, so it is not known whose the object would be.",
            field="project_id",
            remedy="Name a project_id, or use a token with a project.",
        )
    return str(owner)


def _duplicate(resource: Resource, record: Record) -> Conflict:
    names = [each.name for each in resource.all_fields.values() if each.unique] + [
        n for group in resource.unique for n in group
    ]
    said = ", ".join(f"{name} '{record.get(name)}'" for name in dict.fromkeys(names)) or "the same id"
    return Conflict(
        f"A {resource.name} with {said} exists already.",
        remedy="Choose another, or use the one that exists.",
        kind=f"{resource.noun}Duplicate",
    )


def change(work: Work, resource: Resource, record: Record, changes: Mapping[str, Any]) -> Record:
    """Change an object's stored fields; keeps its time of change and revision. Returns the record as it is now. Raises
    Conflict when a unique field is taken, and QuotaExceeded when it grows beyond what its project may have."""
    stored = {name: value for name, value in changes.items() if resource.all_fields[name].stored}
    if "extra" in stored and isinstance(record.get("extra"), dict):
        stored["extra"] = {k: v for k, v in {**record["extra"], **stored["extra"]}.items() if v is not None}
    if "updated_at" in resource.all_fields:
        stored["updated_at"] = work.now
    if "revision_number" in resource.all_fields:
        stored["revision_number"] = (record.get("revision_number") or 0) + 1
    merged = Record({**record, **stored})
    if resource.quotas:
        quota.take(work, resource, merged, record)
    try:
        if stored:
            this = (resource.table.c[name] == record[name] for name in resource.key_columns)
            work.tx.execute(sa.update(resource.table).where(*this).values(stored))
    except sa.exc.IntegrityError as error:
        if not is_duplicate(error):
            raise
        raise _duplicate(resource, merged) from error
    return merged


def remove(work: Work, resource: Resource, record: Record) -> None:
    """Delete an object's row. Raises Conflict while something the declaration names still uses it."""
    for check in resource.refuses_delete_while:
        if reason := check(work, record):
            raise Conflict(reason, kind=f"{resource.noun}InUse")
    work.tx.delete(resource.table, **{name: record[name] for name in resource.key_columns})
    work.event(
        record[resource.id_field],
        "deleted",
        f"{resource.name} {record.get('name') or record[resource.id_field]} was deleted",
    )


def find(work: Work, resource: Resource, key: str) -> Record:
    """The object by id (or name, where the resource says so), if the caller may know of it. Raises NotFound, and
    Conflict when several have the name."""
    if found := visible_row(work, resource, key):
        return found
    if resource.key == "id_or_name":
        same_name = visible_rows(work, resource).where(resource.table.c[resource.name_field] == key)
        named = work.tx.all(same_name.limit(2))
        if len(named) > 1:
            raise Conflict(f"Several {resource.many} have the name '{key}'.", remedy="Use the id.")
        if named:
            return named[0]
    raise missing(resource, key)


def missing(resource: Resource, key: str) -> NotFound:
    """The error for an object that is not there or not to be known of."""
    words = resource.name.replace("_", " ").capitalize()
    return NotFound(f"{words} {key[:255]} could not be found.", kind=f"{resource.noun}NotFound")


def show(work: Work, resource: Resource, record: Record, dialect: Dialect) -> dict[str, Any]:
    """The object as the API shows it."""
    if resource.load:
        resource.load(work, [record])
    return shown(work, resource, record, dialect, "")
