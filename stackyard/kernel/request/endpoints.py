"""From declarations to endpoints: every path and method a room answers, with how to find, allow, read and handle.

An endpoint is the uniform form the request chain works on; a reader who wants to know what a request does finds its
endpoint here, and the resource's own rule in the room.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Action, Allow, Field, Reads, Resource, Route, Verb
from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Version, version
from stackyard.kernel.errors import BadRequest, PreconditionFailed
from stackyard.kernel.request import query as lists
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.representation import is_known, json_of, tag
from stackyard.kernel.request.shapes import Body, check_attributes, read_query, show
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work


@dataclass(kw_only=True)
class Call:
    """One request on its way through an endpoint: what was found, read and asked so far."""

    request: Request
    record: Record | None = None
    given: Any = None
    body: Any = None
    query: Record = field(default_factory=Record)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method on one path. `find`, `target`, `read`, `handle` are the chain's stages for it."""

    room: Room
    method: str
    path: str
    status: int
    handle: Callable[[Work, Call], Any]
    resource: Resource | None = None
    allow: Allow | None = None
    token: Literal["required", "optional", "none"] = "required"
    reads: Reads = "nothing"
    stream: bool = False
    since: Version | None = None
    until: Version | None = None
    find: Callable[[Work, Mapping[str, str]], Record] | None = None
    read: Callable[[Room, Any, Version | None], Any] | None = None
    query: Sequence[Field] | None = None
    before: Callable[[Services, Caller, Record], None] | None = None
    #: The resource's standard verb that this is, and the fields that the body of any other may have.
    verb: Verb | None = None
    body: Sequence[Field] | None = None
    answers: Sequence[int] = ()
    #: The resource whose collection this lists, and which can therefore be watched here.
    watches: Resource | None = None
    doc: str = ""

    @cached_property
    def places(self) -> Sequence[tuple[int, str]]:
        """Which segments of the path are placeholders, and for what."""
        segments = enumerate(segment for segment in self.path.split("/") if segment)
        return [(index, segment[1:-1]) for index, segment in segments if segment.startswith("{")]

    def lives_in(self, asked: Version | None) -> bool:
        """Whether the endpoint exists in this microversion."""
        if asked is None:
            return True
        return not (self.since and asked < self.since) and not (self.until and asked >= self.until)


def endpoints(room: Room) -> Iterator[Endpoint]:
    """Every endpoint of a room, routes first."""
    collections = {each.path: each for each in room.resources}
    for route in room.routes:
        yield _route(room, route, collections.get(route.path) if route.method == "GET" else None)
    for resource in room.resources:
        yield from _verbs(room, resource)
        for action in resource.actions:
            yield _action(room, resource, action)


def _version(text: str | None) -> Version | None:
    return version(text) if text else None


def _reads(method: str, declared: Reads | None) -> Reads:
    return declared or ("database" if method in ("GET", "HEAD") else "nothing")


def _route(room: Room, route: Route, watches: Resource | None) -> Endpoint:
    def handle(work: Work, call: Call) -> Any:
        request = call.request
        request.body = call.body
        request.query = call.query if route.query is not None else Record(request.raw_query)
        return route.handler(work, request)

    return Endpoint(
        room=room,
        method=route.method,
        path=room.path + route.path,
        status=route.status,
        handle=handle,
        allow=route.allow,
        token=route.token,
        reads=_reads(route.method, route.reads),
        stream=route.stream,
        since=_version(route.since),
        read=_bare_reader(route.body),
        body=route.body,
        answers=route.answers,
        query=route.query,
        watches=watches,
        doc=route.doc,
    )


def _bare_reader(fields: Sequence[Field] | None) -> Callable[[Room, Any, Version | None], Any] | None:
    if fields is None:
        return None
    body = Body(fields, "create")
    return lambda room, given, asked: body.read({} if given is None else given, room.dialect, asked)


def _action(room: Room, resource: Resource, action: Action) -> Endpoint:
    member = action.on == "member"

    def handle(work: Work, call: Call) -> Any:
        if member:
            return action.rule(work, call.record, call.body, call.query)
        return action.rule(work, call.body, call.query)

    base = room.path + resource.path + ("/{id}" if member else "")
    return Endpoint(
        room=room,
        resource=resource,
        method=action.method,
        path=f"{base}/{action.suffix}".rstrip("/"),
        status=action.status,
        handle=handle,
        allow=action.allow,
        reads=_reads(action.method, action.reads),
        since=_version(action.since),
        until=_version(action.until),
        find=_finder(resource) if member else None,
        read=_bare_reader(action.body),
        body=action.body,
        answers=action.answers,
        query=action.query,
        before=action.before,
        doc=action.doc,
    )


def _finder(resource: Resource) -> Callable[[Work, Mapping[str, str]], Record]:
    def find(work: Work, params: Mapping[str, str]) -> Record:
        if resource.within:
            resource.within(work, params)
        return rows.find(work, resource, params["id"])

    return find


def _verbs(room: Room, resource: Resource) -> Iterator[Endpoint]:
    collection, member = room.path + resource.path, room.path + resource.path + "/{id}"
    dialect, find = room.dialect, _finder(resource)
    made: dict[str, Callable[[], Endpoint]] = {
        "list": lambda: Endpoint(
            room=room,
            resource=resource,
            method="GET",
            path=collection,
            status=200,
            handle=_list(room, resource),
            allow=resource.allow("list"),
            reads="database",
            before=resource.before.get("list"),
            watches=resource,
        ),
        "show": lambda: Endpoint(
            room=room,
            resource=resource,
            method="GET",
            path=member,
            status=200,
            handle=_show(room, resource),
            query=resource.show_query,
            find=find,
            allow=resource.allow("show"),
            reads="database",
        ),
        "create": lambda: Endpoint(
            room=room,
            resource=resource,
            method="PUT" if resource.id_from == "path" else "POST",
            path=member if resource.id_from == "path" else collection,
            status=resource.create_status or dialect.create_status,
            answers=resource.create_answers,
            handle=_create(room, resource),
            allow=resource.allow("create"),
            read=_create_reader(resource),
            query=resource.create_query,
            before=resource.before.get("create"),
        ),
        "update": lambda: Endpoint(
            room=room,
            resource=resource,
            method=dialect.update,
            path=member,
            status=resource.update_status or dialect.update_status,
            handle=_update(room, resource),
            find=find,
            allow=resource.allow("update"),
            read=_update_reader(resource),
            before=resource.before.get("update"),
        ),
        "delete": lambda: Endpoint(
            room=room,
            resource=resource,
            method="DELETE",
            path=member,
            status=resource.delete_status or dialect.delete_status,
            handle=_delete(room, resource),
            find=find,
            allow=resource.allow("delete"),
            query=resource.delete_query,
        ),
    }
    for verb in resource.verbs:
        yield replace(made[verb](), verb=verb)


def unwrapped(room: Room, resource: Resource, given: Any) -> Any:
    """The object inside a body's envelope. Raises BadRequest naming the member that is missing."""
    dialect = room.dialect
    enveloped = dialect.envelope_one if dialect.envelope_body is None else dialect.envelope_body
    if not enveloped:
        return given
    if not isinstance(given, Mapping) or resource.name not in given:
        raise BadRequest(
            f"The request body must be an object with the member '{resource.name}'.",
            field=resource.name,
            remedy=f'Send {{"{resource.name}": {{…}}}}.',
        )
    return given[resource.name]


def _is_bulk(room: Room, resource: Resource, given: Any) -> bool:
    return room.dialect.bulk and isinstance(given, Mapping) and resource.many in given


def _create_reader(resource: Resource) -> Callable[[Room, Any, Version | None], Any]:
    body = Body(resource.all_fields.values(), "create")

    def read(room: Room, given: Any, asked: Version | None) -> Any:
        dialect = resource.habits(room.dialect)
        if _is_bulk(room, resource, given):
            if not isinstance(given[resource.many], list) or not given[resource.many]:
                raise BadRequest(f"'{resource.many}' must be a list with at least one object.", field=resource.many)
            return [body.read(each, dialect, asked) for each in given[resource.many]]
        return body.read(unwrapped(room, resource, given), dialect, asked)

    return read


def _update_reader(resource: Resource) -> Callable[[Room, Any, Version | None], Any]:
    body = Body(resource.all_fields.values(), "update")
    return lambda room, given, asked: body.read(
        unwrapped(room, resource, given), resource.habits(room.dialect), asked
    )


def _url(work: Work, room: Room, resource: Resource, record: Mapping[str, Any]) -> str:
    path = resource.path.format_map(work.params) if resource.parents else resource.path
    return f"{work.base_url}{room.path}{path}/{record.get(resource.id_field)}"


def rendered(
    work: Work, room: Room, resource: Resource, records: Sequence[Record], only: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Records as answers carry them, loading what they need with one query."""
    if resource.load:
        resource.load(work, records)
    return [show(work, resource, each, room.dialect, _url(work, room, resource, each), only) for each in records]


def one(work: Work, room: Room, resource: Resource, record: Record, only: Sequence[str] = ()) -> Any:
    """One record in its envelope."""
    shown = rendered(work, room, resource, [record], only)[0]
    return {resource.name: shown} if room.dialect.envelope_one else shown


def _only(room: Room, request: Request) -> list[str]:
    return [value for name, value in request.raw_query if name == "fields"] if room.dialect.field_selection else []


def _list(room: Room, resource: Resource) -> Callable[[Work, Call], Any]:
    def handle(work: Work, call: Call) -> Any:
        if resource.within:
            resource.within(work, work.params)
        page = lists.page(work, resource, room.dialect, call.request.raw_query)
        shown = rendered(work, room, resource, page.records, _only(room, call.request))
        path = f"{work.base_url}{room.path}{resource.path.format_map(work.params)}"
        links = room.dialect.list_extra(resource.many, *lists.urls(path, call.request.query_string, page.next_marker))
        return _with_headers(work, resource, page.records, {resource.many: shown, **links})

    return handle


def _with_headers(work: Work, resource: Resource, records: Sequence[Record], body: Any) -> Any:
    return Reply(body=body, headers=resource.headers(work, records)) if resource.headers else body


def _show(room: Room, resource: Resource) -> Callable[[Work, Call], Any]:
    def handle(work: Work, call: Call) -> Any:
        assert call.record is not None
        shown = one(work, room, resource, call.record, _only(room, call.request))
        return _with_headers(work, resource, [call.record], shown)

    return handle


def _create(room: Room, resource: Resource) -> Callable[[Work, Call], Any]:
    def made(work: Work, wanted: Record) -> Any:
        wanted.update({column: work.params[name] for name, column in resource.parents.items()})
        if resource.id_from == "path":
            named = resource.all_fields[resource.id_field]
            wanted[named.name] = named.kind.parse(work.params["id"], named.name, True)
        owner = {"project_id": work.caller.project_id}
        check_attributes(work, resource.allow("create"), resource, wanted, {**owner, **_target(work, resource, wanted)})
        return resource.create(work, wanted) if resource.create else rows.insert(work, resource, wanted)

    def handle(work: Work, call: Call) -> Any:
        if resource.within:
            resource.within(work, work.params)
        if isinstance(call.body, list):
            return {resource.many: rendered(work, room, resource, [made(work, each) for each in call.body])}
        return made(work, call.body)

    return handle


def _target(work: Work, resource: Resource, record: Mapping[str, Any]) -> Mapping[str, Any]:
    return resource.target(work, record) if resource.target else {}


def _update(room: Room, resource: Resource) -> Callable[[Work, Call], Any]:
    def handle(work: Work, call: Call) -> Any:
        assert call.record is not None
        _check_unchanged(work, room, resource, call)
        target = {**call.record, **_target(work, resource, call.record)}
        check_attributes(work, resource.allow("update"), resource, call.body, target)
        if resource.update:
            return resource.update(work, call.record, call.body)
        return rows.change(work, resource, call.record, call.body)

    return handle


def _delete(room: Room, resource: Resource) -> Callable[[Work, Call], Any]:
    def handle(work: Work, call: Call) -> Any:
        assert call.record is not None
        _check_unchanged(work, room, resource, call)
        if resource.delete:
            return resource.delete(work, call.record, call.query)
        rows.remove(work, resource, call.record)
        return None

    return handle


def _check_unchanged(work: Work, room: Room, resource: Resource, call: Call) -> None:
    """Raise PreconditionFailed when If-Match names another revision, or another tag, than the object has."""
    asked, record = call.request.headers.get("if-match", ""), call.record
    assert record is not None
    if asked.startswith("revision_number="):
        current = record.get("revision_number")
        if current is not None and asked.removeprefix("revision_number=") != str(current):
            raise PreconditionFailed(
                f"Constrained to {asked[:60]}, but current revision is {current}.",
                kind="RevisionNumberConstraintFailed",
            )
    elif '"' in asked and not is_known(asked, tag(json_of(one(work, room, resource, Record(record))))):
        raise PreconditionFailed(
            "The object has another tag than If-Match names: it has changed.", remedy="Show it again, and its ETag."
        )


def rule_asked(endpoint: Endpoint, call: Call) -> Allow | None:
    """The policy rule of a call: the endpoint's, unless the resource has another for this object or input."""
    resource = endpoint.resource
    if resource is None or resource.policy_for is None or endpoint.verb is None:
        return endpoint.allow
    about = call.record if call.record is not None else _given_object(endpoint, call)
    return resource.policy_for(about).get(endpoint.verb, endpoint.allow)


def asks_policy_first(endpoint: Endpoint) -> bool:
    """Whether those who may not get 403 for what is not there as well."""
    resource = endpoint.resource
    if endpoint.room.dialect.unknown_object != "policy":
        return False
    return resource is None or endpoint.verb not in resource.unknown_first


def policy_target(work: Work, endpoint: Endpoint, call: Call) -> dict[str, Any]:
    """What the check strings of an endpoint's rule may name."""
    resource = endpoint.resource
    if call.record is not None:
        extra = resource.target(work, call.record) if resource and resource.target else {}
        return {**call.record, **extra}
    given = _given_object(endpoint, call) if endpoint.method == "POST" else Record()
    own = {"project_id": work.caller.project_id, "user_id": work.caller.user_id, "domain_id": work.caller.domain_id}
    own = {**own, **work.params}
    return {**own, **(resource.target(work, given) if resource and resource.target else {})}


def _given_object(endpoint: Endpoint, call: Call) -> Record:
    """The input as it came, before validation: policy is asked first, so that a stranger learns nothing from a
    schema. Left out is what could not be looked up: other things than text where the resource has a text."""
    given = call.given
    if isinstance(given, Mapping) and endpoint.resource and isinstance(given.get(endpoint.resource.name), Mapping):
        given = given[endpoint.resource.name]
    if not isinstance(given, Mapping):
        return Record()
    texts = endpoint.resource.texts if endpoint.resource else ()
    return Record(
        {
            name: value
            for name, value in given.items()
            if isinstance(name, str) and (name not in texts or (isinstance(value, str) and "\0" not in value))
        }
    )


def read_call(endpoint: Endpoint, call: Call, asked: Version | None) -> None:
    """Validate body and query of a call, in place. Raises BadRequest."""
    if endpoint.query is not None:
        _refuse_unknown_query(endpoint, call.request, asked)
        call.query = read_query(endpoint.query, call.request.raw_query, asked)
    if endpoint.verb == "create" and endpoint.resource and endpoint.resource.id_from == "path":
        _drop_known_id(endpoint, call)
    if endpoint.verb == "update":
        _refuse_other_id(endpoint, call)
    call.body = endpoint.read(endpoint.room, call.given, asked) if endpoint.read else call.given


def _refuse_other_id(endpoint: Endpoint, call: Call) -> None:
    """Where members that are not known are kept, an id is known: it must be the object's own."""
    resource, given = endpoint.resource, call.given
    if resource is None or resource.habits(endpoint.room.dialect).unknown_fields != "keep":
        return
    inner = given.get(resource.name) if isinstance(given, Mapping) else None
    if isinstance(inner, Mapping) and "id" in inner and call.record and inner["id"] != call.record[resource.id_field]:
        raise BadRequest(f"Cannot change {resource.name} ID.", field="id")


def _drop_known_id(endpoint: Endpoint, call: Call) -> None:
    """An id in the body too does no harm when it is the path's: clients send the object as they have it."""
    given, named = _given_object(endpoint, call), call.request.params["id"]
    if given.get("id") != named:
        return
    rest = {name: value for name, value in given.items() if name != "id"}
    assert endpoint.resource is not None
    call.given = {endpoint.resource.name: rest} if endpoint.room.dialect.envelope_one else rest


def _refuse_unknown_query(endpoint: Endpoint, request: Request, asked: Version | None) -> None:
    # What is not offered yet says so, whatever its parameters would be.
    if endpoint.room.dialect.unknown_filters != "refuse" or endpoint.status == 501:
        return
    known = {each.name for each in endpoint.query or () if each.exists_in(asked)}
    for name, _ in request.raw_query:
        if name not in known:
            offered = ", ".join(sorted(known)) or "none"
            raise BadRequest(f"Unknown parameter: {name[:80]}.", field=name, remedy=f"Known are: {offered}.")


def as_reply(work: Work, endpoint: Endpoint, result: Any) -> Reply:
    """A handler's result as an answer: a Reply as it is, a Record in its envelope, JSON as the body."""
    if isinstance(result, Reply):
        return result
    headers: dict[str, str] = {}
    if isinstance(result, Record) and endpoint.resource is not None:
        headers = endpoint.resource.headers(work, [result]) if endpoint.resource.headers else {}
        result = one(work, endpoint.room, endpoint.resource, result)
    return Reply(status=endpoint.status, body=result, headers=headers)
