"""The doors of metadata definitions. Namespaces and their parts are named in the path by their own names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stackyard.kernel.declare.kinds import Integer, OneOf, Text
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.resources.metadef import rules, store
from stackyard.rooms.image.resources.metadef.shapes import OBJECT, PARTS, PROPERTY, RESOURCE_TYPE, TAG, Part

#: The resource types that OpenStack's services know metadata for.
KNOWN_TYPES = (
    "OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Aggregate", "OS::Nova::Flavor", "OS::Nova::Server",
)  # fmt: skip
_DEFAULT_LIMIT, _MOST = 25, 1000
_PATH = "/v2/metadefs/namespaces"
_SCHEMAS = "/v2/schemas/metadefs"
_LIST = (
    Field(name="limit", kind=Integer(min=0)),
    Field(name="marker", kind=Text()),
    Field(name="visibility", kind=OneOf("public", "private")),
    Field(name="resource_types", kind=Text(max=None)),
)


def _times(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: DIALECT.timestamp(record[name]) for name in ("created_at", "updated_at")}


def _shown(record: Record) -> dict[str, Any]:
    given = {name: value for name, value in record.items() if value is not None}
    path = f"{_PATH}/{record.namespace}"
    return {**given, **_times(record), "schema": f"{_SCHEMAS}/namespace", "self": path}


def _shown_part(part: Part, record: Record) -> dict[str, Any]:
    shown = {"name": record.name, **record.body, **(_times(record) if part.timed else {})}
    if part is OBJECT:
        path = f"{_PATH}/{record.namespace}/objects/{record.name}"
        shown |= {"schema": f"{_SCHEMAS}/object", "self": path}
    return shown


def _whole(work: Work, record: Record) -> dict[str, Any]:
    found = store.parts(work, [record.namespace], *(each.kind for each in PARTS))
    return {**_shown(record), **{part.plural: some for part in PARTS if (some := _of(part, found))}}


def _of(part: Part, found: Sequence[Record]) -> Any:
    shown = [_shown_part(part, each) for each in found if each.kind == part.kind]
    return {each.pop("name"): each for each in shown} if part is PROPERTY else shown


def _namespaces(work: Work, request: Request) -> Any:
    asked = request.query
    types = [each for each in asked.get("resource_types", "").split(",") if each]
    found = store.namespaces(work, asked.get("visibility"), types)
    page, more = _page(found, asked, "namespace")
    meant = store.parts(work, [each.namespace for each in page], RESOURCE_TYPE.kind)
    shown = [
        {**_shown(each), RESOURCE_TYPE.plural: [_shown_part(RESOURCE_TYPE, one) for one in some]}
        for each in page
        for some in [[one for one in meant if one.namespace == each.namespace]]
    ]
    links = {"next": f"{_PATH}?marker={page[-1].namespace}&limit={len(page)}"} if more else {}
    return {"namespaces": shown, "first": _PATH, **links, "schema": f"{_SCHEMAS}/namespaces"}


def _page(found: list[Record], asked: Record, key: str) -> tuple[list[Record], bool]:
    start = 0
    if "marker" in asked:
        names = [each[key] for each in found]
        if asked.marker not in names:
            raise BadRequest(f"There is no {key} '{asked.marker}' to go on from.", field="marker")
        start = names.index(asked.marker) + 1
    limit = min(asked.get("limit", _DEFAULT_LIMIT), _MOST)
    page = found[start : start + limit]
    return page, bool(page) and start + limit < len(found)


def _create(work: Work, request: Request) -> Any:
    return Reply(status=201, body=_whole(work, rules.create(work, request.body)))


def _show(work: Work, request: Request) -> Any:
    return _whole(work, rules.find(work, request.params["namespace"]))


def _update(work: Work, request: Request) -> Any:
    return _shown(rules.update(work, request.params["namespace"], request.body))


def _delete(work: Work, request: Request) -> Reply:
    rules.delete(work, request.params["namespace"])
    return Reply(status=204)


def _types(work: Work, request: Request) -> Any:
    named = {each.name: {"created_at": DIALECT.timestamp(each.created_at)} for each in store.associated_types(work)}
    return {"resource_types": [{"name": name, **named.get(name, {})} for name in sorted({*KNOWN_TYPES, *named})]}


def _part_routes(part: Part, suffix: str) -> list[Route]:
    many, one = f"{_PATH}/{{namespace}}/{suffix}", f"{_PATH}/{{namespace}}/{suffix}/{{name}}"

    def parts(work: Work, request: Request) -> Any:
        found = _of(part, rules.parts(work, request.params["namespace"], part))
        return {part.plural: found, "schema": f"{_SCHEMAS}/{suffix}"}

    def add(work: Work, request: Request) -> Any:
        made = rules.add(work, request.params["namespace"], part, request.body)
        return Reply(status=201, body=_shown_part(part, made))

    def remove(work: Work, request: Request) -> Reply:
        rules.remove(work, request.params["namespace"], part, request.params["name"])
        return Reply(status=204)

    routes = [_route("GET", many, parts, f"List the {part.title}s of a namespace.")]
    if part is not TAG:
        routes.append(_route("POST", many, add, f"Add a {part.title} to a namespace."))
    return [*routes, _route("DELETE", one, remove, f"Remove a {part.title}.")]


def _changing_routes(part: Part, suffix: str) -> list[Route]:
    many, one = f"{_PATH}/{{namespace}}/{suffix}", f"{_PATH}/{{namespace}}/{suffix}/{{name}}"

    def show(work: Work, request: Request) -> Any:
        return _shown_part(part, rules.part(work, request.params["namespace"], part, request.params["name"]))

    def change(work: Work, request: Request) -> Any:
        names = request.params
        return _shown_part(part, rules.change(work, names["namespace"], part, names["name"], request.body))

    def remove_all(work: Work, request: Request) -> Reply:
        rules.remove_all(work, request.params["namespace"], part)
        return Reply(status=204)

    return [
        _route("GET", one, show, f"Show a {part.title}."),
        _route("PUT", one, change, f"Write a {part.title} anew."),
        _route("DELETE", many, remove_all, f"Remove every {part.title} of a namespace."),
    ]


def _set_tags(work: Work, request: Request) -> Any:
    keep = request.headers.get("x-openstack-append", "").lower() == "true"
    made = rules.add_tags(work, request.params["namespace"], request.body, keep=keep)
    return Reply(status=201, body={"tags": [{"name": each.name} for each in made]})


def _add_tag(work: Work, request: Request) -> Any:
    made = rules.add(work, request.params["namespace"], TAG, {"name": request.params["name"]})
    return Reply(status=201, body=_shown_part(TAG, made))


def _route(method: str, path: str, handler: Callable[[Work, Request], Any], doc: str) -> Route:
    return Route(method=method, path=path, handler=handler, doc=doc)


ROUTES = [
    Route(method="GET", path=_PATH, handler=_namespaces, query=_LIST, doc="List the namespaces."),
    _route("POST", _PATH, _create, "Add a namespace, with parts if wanted."),
    _route("GET", f"{_PATH}/{{namespace}}", _show, "Show a namespace with all its parts."),
    _route("PUT", f"{_PATH}/{{namespace}}", _update, "Give a namespace other attributes."),
    _route("DELETE", f"{_PATH}/{{namespace}}", _delete, "Remove a namespace and its parts."),
    _route("GET", "/v2/metadefs/resource_types", _types, "List the resource types."),
    _route("POST", f"{_PATH}/{{namespace}}/tags", _set_tags, "Set the tags of a namespace."),
    _route("POST", f"{_PATH}/{{namespace}}/tags/{{name}}", _add_tag, "Add a tag to a namespace."),
    *_part_routes(RESOURCE_TYPE, "resource_types"),
    *(route for part in (PROPERTY, OBJECT, TAG) for route in _part_routes(part, part.plural)),
    *(route for part in (PROPERTY, OBJECT, TAG) for route in _changing_routes(part, part.plural)),
]
