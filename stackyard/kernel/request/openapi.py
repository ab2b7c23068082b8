"""OpenAPI 3.1 for the whole cloud, from the declarations: every path, parameter, body, answer and refusal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from stackyard import __version__
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.resource import NO_DEFAULT, Field, Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.errors import ApiError, BadRequest
from stackyard.kernel.request.endpoints import Endpoint

Json = dict[str, Any]

_ABOUT = """\
Every service of this cloud in one document, made from the declarations that the server itself works with. Ask for a
token with `POST /identity/v3/auth/tokens`; the answer's header `X-Subject-Token` is what the others take in
`X-Auth-Token`.
"""
_WATCH = (
    "With `watch=1` the answer is a stream of server-sent events (`text/event-stream`): `ready`, then `created`, "
    "`updated` and `deleted` with the object as a GET shows it, each with an id to go on from."
)

#: Refusals that any request may get, that those with a token may, that those which change something may.
_ALWAYS, _KNOWN, _WRITES = (400, 404, 408, 413, 503), (401, 403), (409, 415)


def document(rooms: Sequence[Room], endpoints: Iterable[Endpoint], base_url: str) -> Json:
    """The document."""
    paths: dict[str, Json] = {}
    for name, together in _by_path(endpoints).items():
        methods: dict[str, list[Endpoint]] = {}
        for each in together:
            methods.setdefault(each.method.lower(), []).append(each)
        paths[name] = {method: _operation(name, found) for method, found in methods.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stackyard", "version": __version__, "description": _ABOUT},
        "servers": [{"url": base_url}],
        "security": [{"token": []}],
        "tags": [_tag(room) for room in rooms],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": {
                **{_error_name(room): _error_schema(room) for room in rooms},
                **{_name(room, each): _shown(room, each) for room in rooms for each in room.resources},
            },
        },
    }


def _by_path(endpoints: Iterable[Endpoint]) -> dict[str, list[Endpoint]]:
    """Endpoints under one name per path: OpenAPI knows no two paths that differ in the names of placeholders only."""
    names: dict[str, str] = {}
    found: dict[str, list[Endpoint]] = {}
    for each in endpoints:
        name = names.setdefault(re.sub(r"\{\w+\}", "{}", each.path), each.path)
        found.setdefault(name or "/", []).append(each)
    return found


def _tag(room: Room) -> Json:
    kinds = ", ".join(kind for kind, _, _ in room.services)
    versions = f" Microversions {room.versions.minimum} to {room.versions.maximum}." if room.versions else ""
    return {"name": room.name, "description": f"The service {kinds} at {room.path}.{versions}"}


def _operation(path: str, together: Sequence[Endpoint]) -> Json:
    """One method of a path. Where several ranges of microversions answer differently, the newest is described."""
    endpoint = max(together, key=lambda each: each.since or (0, 0))
    title = _title(endpoint)
    described: Json = {
        "operationId": f"{endpoint.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}",
        "tags": [endpoint.room.name],
        "summary": title,
        "description": " ".join(_notes(endpoint, together, title)),
        "parameters": _parameters(path, endpoint),
        "responses": _responses(endpoint, together),
    }
    if body := _body(endpoint):
        described["requestBody"] = body
    if endpoint.token != "required":
        described["security"] = [] if endpoint.token == "none" else [{"token": []}, {}]
    return described


def _title(endpoint: Endpoint) -> str:
    if endpoint.doc:
        return endpoint.doc.strip().partition("\n")[0]
    if endpoint.verb and endpoint.resource:
        noun = endpoint.resource.many if endpoint.verb == "list" else endpoint.resource.name
        return f"{endpoint.verb.capitalize()} {noun.replace('_', ' ')}"
    return f"{endpoint.method} {endpoint.path}"


def _notes(endpoint: Endpoint, together: Sequence[Endpoint], title: str) -> Iterable[str]:
    if endpoint.verb and endpoint.resource and endpoint.resource.doc:
        yield endpoint.resource.doc
    elif endpoint.doc and endpoint.doc.strip() != title:
        yield endpoint.doc
    if endpoint.allow:
        yield f"Policy: `{endpoint.allow.name}`, by default `{endpoint.allow.check or 'anyone with a token'}`."
    for each in together:
        if each.since or each.until:
            begin = f" from version {each.since}" if each.since else ""
            end = f" before version {each.until}" if each.until else ""
            yield f"Answers {each.status}{begin}{end}."
    if endpoint.watches:
        yield _WATCH


# -- what is asked --


def _parameters(path: str, endpoint: Endpoint) -> list[Json]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    asked = {each.name: _parameter(each) for each in endpoint.query or ()}
    if endpoint.watches:
        asked = {**_list_parameters(endpoint.room, endpoint.watches, endpoint.verb == "list"), **asked}
    found += asked.values()
    if endpoint.room.versions:
        word, newest = endpoint.room.versions.service_type, endpoint.room.versions.maximum
        found.append(
            {
                "name": "OpenStack-API-Version",
                "in": "header",
                "description": f"The microversion, such as `{word} {newest}`.",
                "schema": {"type": "string"},
                "example": f"{word} {newest}",
            }
        )
    return found


def _parameter(each: Field, doc: str = "") -> Json:
    described = {"name": each.name, "in": "query", "description": doc or _doc(each), "schema": _value(each)}
    return {**described, "required": True} if each.required else described


def _plain(name: str, schema: Json, doc: str) -> Json:
    return {"name": name, "in": "query", "description": doc, "schema": schema}


def _list_parameters(room: Room, resource: Resource, generic: bool) -> dict[str, Json]:
    found = {
        "watch": _plain("watch", {"type": "string", "enum": ["1"]}, "Follow the changes instead of listing."),
        "since": _plain("since", {"type": "string"}, "Where a watch begins: an event's id, or a moment in ISO 8601."),
    }
    if not generic:
        return found
    for each in resource.all_fields.values():
        if each.filter and each.stored and each.read:
            found[each.name] = _plain(each.name, _value(each), f"Only those with this value. {_doc(each)}")
    found.update({each.name: _parameter(each) for each in resource.list_query})
    if room.dialect.paging:
        sortable = [each.name for each in resource.all_fields.values() if each.sort and each.stored and each.read]
        found["limit"] = _plain("limit", {"type": "integer", "minimum": 0}, "How many at most.")
        found["marker"] = _plain("marker", {"type": "string"}, "The id of the last object of the page before.")
        key = room.dialect.sort_parameter
        schema: Json = {"type": "string"} if key == "sort" else {"type": "string", "enum": sortable}
        found[key] = _plain(key, schema, f"What to sort by: {', '.join(sortable)}.")
    if room.dialect.field_selection:
        found["fields"] = _plain("fields", {"type": "string"}, "Only this member of each object; may be repeated.")
    return found


def _body(endpoint: Endpoint) -> Json | None:
    schema: Json | None = None
    if endpoint.verb in ("create", "update") and endpoint.resource:
        schema = _enveloped_input(endpoint.room, endpoint.resource, endpoint.verb)
    elif endpoint.body is not None:
        schema = _object(endpoint.room.dialect, endpoint.body, "create")
    elif endpoint.stream:
        return {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    elif endpoint.method in ("POST", "PUT", "PATCH") and endpoint.resource is None and endpoint.status != 501:
        return {"content": {"application/json": {"schema": {}}}}
    if schema is None:
        return None
    required = endpoint.verb is not None or "required" in schema
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _enveloped_input(room: Room, resource: Resource, verb: str) -> Json:
    schema = _object(resource.habits(room.dialect), resource.all_fields.values(), verb)
    dialect = room.dialect
    if not (dialect.envelope_one if dialect.envelope_body is None else dialect.envelope_body):
        return schema
    one: Json = {"type": "object", "properties": {resource.name: schema}, "required": [resource.name]}
    if not (dialect.bulk and verb == "create"):
        return one
    many = {"type": "array", "items": schema, "minItems": 1}
    return {"anyOf": [one, {"type": "object", "properties": {resource.many: many}, "required": [resource.many]}]}


def _object(dialect: Dialect, fields: Iterable[Field], verb: str) -> Json:
    given = [each for each in fields if getattr(each, verb)]
    schema: Json = {"type": "object", "properties": {each.name: _property(each) for each in given}}
    required = [each.name for each in given if verb == "create" and each.required and each.default is NO_DEFAULT]
    if required:
        schema["required"] = required
    if dialect.unknown_fields == "refuse":
        schema["additionalProperties"] = False
    return schema


def _property(each: Field) -> Json:
    schema = _value(each)
    if doc := _doc(each):
        schema["description"] = doc
    if isinstance(each.default, str | int | float | bool) and each.default != "":
        schema["default"] = each.default
    return schema


def _value(each: Field) -> Json:
    schema = dict(each.kind.schema)
    return {"anyOf": [schema, {"type": "null"}]} if each.null and schema else schema


def _doc(each: Field) -> str:
    versions = " ".join(
        text
        for text in (f"Since {each.since}." if each.since else "", f"Until {each.until}." if each.until else "")
        if text
    )
    return f"{each.doc} {versions}".strip()


# -- what is answered --


def _responses(endpoint: Endpoint, together: Sequence[Endpoint]) -> Json:
    refusals = {*_ALWAYS, *(_KNOWN if endpoint.token != "none" else ())}
    if endpoint.method not in ("GET", "HEAD"):
        refusals.update(_WRITES)
    if endpoint.room.versions:
        refusals.add(406)
    if endpoint.watches:
        refusals.add(410)
    if endpoint.verb in ("update", "delete"):
        refusals.add(412)
    if endpoint.status == 501:
        refusals = {401, 501}
    found: Json = {str(each.status): _success(each) for each in together if each.status != 501}
    unchanged = {304} if endpoint.method == "GET" and endpoint.status == 200 else set()
    found.update({str(status): _plainly(status) for status in {*endpoint.answers, *unchanged} if status < 400})
    for status in sorted(refusals | {each for each in endpoint.answers if each >= 400}):
        found[str(status)] = _refusal(endpoint.room, status)
    return found


def _plainly(status: int) -> Json:
    return {"description": HTTPStatus(status).phrase}


def _success(endpoint: Endpoint) -> Json:
    described = _plainly(endpoint.status)
    if endpoint.status in (204, 304):
        return described
    content: Json = {}
    if endpoint.verb and endpoint.verb != "delete" and endpoint.resource:
        content["application/json"] = {"schema": _answer(endpoint.room, endpoint.resource, endpoint.verb)}
    if endpoint.watches:
        content.setdefault("application/json", {"schema": {}})
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {**described, "content": content} if content else described


def _answer(room: Room, resource: Resource, verb: str) -> Json:
    one: Json = {"$ref": f"#/components/schemas/{_name(room, resource)}"}
    if verb == "list":
        return {"type": "object", "properties": {resource.many: {"type": "array", "items": one}}}
    return {"type": "object", "properties": {resource.name: one}} if room.dialect.envelope_one else one


def _refusal(room: Room, status: int) -> Json:
    schema = {"$ref": f"#/components/schemas/{_error_name(room)}"}
    return {**_plainly(status), "content": {"application/json": {"schema": schema}}}


def _name(room: Room, resource: Resource) -> str:
    return f"{room.name}.{resource.name}"


def _error_name(room: Room) -> str:
    return f"{room.name}.error"


def _shown(room: Room, resource: Resource) -> Json:
    """An object as answers show it. No member is required: microversions, policy and `fields` leave some out."""
    properties: Json = {}
    for each in resource.all_fields.values():
        if each.read:
            properties[each.name] = _property(each)
            if each.alias:
                properties[each.alias] = _property(each)
    if room.dialect.item_links:
        properties["links"] = _like(room.dialect.item_links(""))
    described: Json = {"type": "object", "properties": properties}
    return {**described, "description": resource.doc} if resource.doc else described


def _error_schema(room: Room) -> Json:
    """The shape of a refusal in this service's words, read off one."""
    refusal: ApiError = BadRequest("What is wrong.", field="the.field", remedy="What to do.")
    return _like(room.dialect.error(refusal))


def _like(value: Any) -> Json:
    """The schema of a value and all of its shape."""
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {name: _like(each) for name, each in value.items()}}
    if isinstance(value, list | tuple):
        return {"type": "array", "items": _like(value[0])} if value else {"type": "array"}
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", datetime: "string"}
    return {"type": kinds[type(value)]} if type(value) in kinds else {}
