"""How this room speaks: the Identity API's dialect, and lists that no declaration renders."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stackyard.kernel.declare.dialect import Dialect, iso_micro
from stackyard.kernel.declare.resource import Field, Resource
from stackyard.kernel.errors import ApiError, NotFound
from stackyard.kernel.request import query as lists
from stackyard.kernel.request.shapes import show
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": {"code": error.status, "message": error.message, "title": error.title}}


def _list_links(plural: str, url: str, next_url: str | None) -> Mapping[str, Any]:
    links = {"links": {"next": next_url, "self": url, "previous": None}}
    return {**links, "truncated": True} if next_url else links


DIALECT = Dialect(
    error=_error,
    list_extra=_list_links,
    item_links=lambda url: {"self": url},
    update="PATCH",
    unknown_fields="keep",
    empty_update="refuse",
    unknown_object="policy",
    unknown_marker=NotFound,
    strict=True,
    timestamp=iso_micro,
    text_filters=True,
    bare_flags=True,
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
    """A page of a list of objects at a path of its own, narrowed by the filters of the resource's own list."""
    chosen = [each for each in records if _matches(work, resource, each)]
    page = lists.page_among(chosen, DIALECT, [*work.query.items()], resource.name, resource.id_field)
    return listing(work, resource.many, [item(work, resource, each) for each in page.records], path, page.next_marker)


def _matches(work: Work, resource: Resource, record: Record) -> bool:
    for name, text in work.query.items():
        base, _, word = name.partition("__")
        field = resource.all_fields.get(base)
        if field is None or not (field.filter and field.stored and field.read):
            continue
        if word:
            if base in resource.texts and not _compares(word, str(record[base] or ""), text):
                return False
        elif record[base] != _asked(field, text):
            return False
    return True


def _asked(field: Field, text: str) -> Any:
    if field.kind.storage == "text":
        return text
    return field.kind.parse(text or "true" if field.kind.storage == "boolean" else text, field.name, False)


def _compares(word: str, value: str, text: str) -> bool:
    """Whether a comparison such as `icontains` holds. What is no comparison does not narrow a list, as in Keystone."""
    if word.startswith("i"):
        word, value, text = word[1:], value.lower(), text.lower()
    compare = _COMPARISONS.get(word)
    return compare is None or compare(value, text)


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def listing(
    work: Work, plural: str, items: Sequence[Any], path: str, next_marker: str | None = None
) -> dict[str, Any]:
    """A list envelope with its links."""
    own, following = lists.urls(url(work, path), work.query_string, next_marker)
    return {plural: list(items), **_list_links(plural, own, following)}
