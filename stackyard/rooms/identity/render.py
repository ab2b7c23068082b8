"""How this room speaks: the Identity API's dialect, and lists that no declaration renders."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.declare.dialect import Dialect, iso_micro
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.errors import ApiError
from stackyard.kernel.request.shapes import show
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": {"code": error.status, "message": error.message, "title": error.title}}


def _list_links(plural: str, url: str, next_url: str | None) -> Mapping[str, Any]:
    return {"links": {"next": next_url, "self": url, "previous": None}}


DIALECT = Dialect(
    error=_error,
    list_extra=_list_links,
    item_links=lambda url: {"self": url},
    update="PATCH",
    unknown_fields="keep",
    unknown_object="policy",
    strict=True,
    timestamp=iso_micro,
    text_filters=True,
)


def url(work: Work, path: str) -> str:
    """The public address of a path of the Identity API, such as `users/<id>`."""
    return f"{work.base_url}/identity/v3/{path}"


def item(work: Work, resource: Resource, record: Record) -> dict[str, Any]:
    """An object as the API shows it, with its link."""
    if resource.load:
        resource.load(work, [record])
    return show(work, resource, record, DIALECT, url(work, f"{resource.path.removeprefix('/v3/')}/{record.id}"))


def collection(work: Work, resource: Resource, records: Sequence[Record], path: str) -> dict[str, Any]:
    """A list of objects at a path of its own, narrowed by the filters of the resource's own list."""
    chosen = [each for each in records if _matches(work, resource, each)]
    return listing(work, resource.many, [item(work, resource, each) for each in chosen], path)


def _matches(work: Work, resource: Resource, record: Record) -> bool:
    for name, text in work.query.items():
        field = resource.all_fields.get(name)
        if field is not None and field.filter and field.stored and field.read:
            wanted = text if field.kind.storage == "text" else field.kind.parse(text, name, False)
            if record[name] != wanted:
                return False
    return True


def listing(work: Work, plural: str, items: Sequence[Any], path: str) -> dict[str, Any]:
    """A list envelope with its links."""
    return {plural: list(items), "links": {"next": None, "self": url(work, path), "previous": None}}
