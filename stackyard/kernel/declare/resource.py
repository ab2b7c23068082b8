"""Declarations: what a room says about its resources, and from which the kernel supplies the rest.

Everything here is plain data and plain functions. A `Resource` lists its fields once; list, show, create, update,
delete, paging, filters, validation, policy, versions, storage and documents follow. What has behaviour names its use
cases (rules): plain functions `(work, …)` without HTTP. What fits no resource is a `Route` with a handler, and keeps
policy, versions and errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import Integer, Kind, Text, Timestamp, Uuid
from stackyard.kernel.declare.versions import Version, version
from stackyard.kernel.storage import database
from stackyard.kernel.storage.database import Record

if TYPE_CHECKING:
    from stackyard.kernel.quota import Quota
    from stackyard.kernel.request.exchange import Reply, Request
    from stackyard.kernel.steps import Steps
    from stackyard.kernel.work import Services, Work

Json = Any
Reads = Literal["database", "driver", "nothing"]
Visible = Callable[[Caller, sa.Table], "sa.ColumnElement[bool] | None"]


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT = _NoDefault()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One attribute of a resource. Make it with `field_` helpers or directly.

    `create`/`update`: whether a caller may give it then. `read`: whether answers show it. `filter`/`sort`: whether
    lists can be narrowed or ordered by it. `stored`: whether it is a column; otherwise `show` computes it. `show` maps
    (work, record) to what answers carry. `since`/`until`: microversions (inclusive / exclusive) in which it exists.
    `default`: a value, or a function without arguments. `admin`: the check string of the policy rule
    `<the verb's rule>:<name>`, asked when a caller gives another value than the default (Neutron's attribute policies).
    `alias`: a second name in input, filters and answers (Neutron's tenant_id).
    """

    name: str
    kind: Kind
    required: bool = False
    default: Any = NO_DEFAULT
    null: bool = False
    create: bool = True
    update: bool = True
    read: bool = True
    filter: bool = True
    sort: bool = True
    stored: bool = True
    show: Callable[["Work", Record], Any] | None = None
    since: str | None = None
    until: str | None = None
    admin: str | None = None
    alias: str | None = None
    unique: bool = False
    index: bool = False
    doc: str = ""

    @cached_property
    def lives(self) -> tuple[Version, Version]:
        """The first version that has the field, and the first that has it no longer."""
        first = version(self.since) if self.since else Version(0, 0)
        return first, version(self.until) if self.until else Version(9999, 0)

    def exists_in(self, asked: Version | None) -> bool:
        """Whether the field exists in this microversion (None: the service has none)."""
        return asked is None or self.lives[0] <= asked < self.lives[1]


def Id(*, hex: bool = False, name: str = "id") -> Field:
    """The object's id, given by the cloud."""
    return Field(name=name, kind=Uuid(hex=hex), create=False, update=False, doc="The object's id.")


def Project(name: str = "project_id", *, admin: str = "role:admin") -> Field:
    """The owning project. Only `admin` may name another than their own."""
    return Field(
        name=name, kind=Text(max=64), update=False, index=True, admin=admin, doc="The project that owns the object."
    )


def Name(*, max: int = 255, required: bool = False, default: Any = "", null: bool = False) -> Field:
    """A human's name for the object."""
    return Field(
        name="name",
        kind=Text(min=1 if required else 0, max=max),
        required=required,
        null=null,
        default=NO_DEFAULT if required else default,
        doc="A name for people.",
    )


def Description(*, max: int | None = 255, default: Any = "", null: bool = False) -> Field:
    """Free text about the object."""
    return Field(name="description", kind=Text(max=max), default=default, null=null, doc="A description for people.")


def Revision() -> Field:
    """Neutron's revision number: rises with every change; the kernel keeps it."""
    return Field(
        name="revision_number", kind=Integer(), create=False, update=False, default=0, doc="Rises with every change."
    )


def Timestamps(*, null_updated: bool = False) -> list[Field]:
    """created_at and updated_at; the kernel keeps them. `null_updated`: null until the first change."""
    return [
        Field(name="created_at", kind=Timestamp(), create=False, update=False, doc="When the object was made (UTC)."),
        Field(
            name="updated_at",
            kind=Timestamp(),
            create=False,
            update=False,
            null=null_updated,
            doc="When it last changed (UTC).",
        ),
    ]


def Internal(
    name: str, kind: Kind, *, default: Any = None, null: bool = True, index: bool = False, doc: str = ""
) -> Field:
    """A column that no caller sees or sets."""
    return Field(
        name=name,
        kind=kind,
        create=False,
        update=False,
        read=False,
        filter=False,
        sort=False,
        default=default,
        null=null,
        index=index,
        doc=doc,
    )


def ReadOnly(name: str, kind: Kind, **more: Any) -> Field:
    """A stored attribute that only the cloud sets."""
    return Field(name=name, kind=kind, create=False, update=False, **more)


def Shown(name: str, kind: Kind, show: Callable[["Work", Record], Any], **more: Any) -> Field:
    """An attribute computed for every answer, not stored."""
    return Field(
        name=name, kind=kind, create=False, update=False, stored=False, filter=False, sort=False, show=show, **more
    )


@dataclass(frozen=True)
class Allow:
    """A policy rule: its name (what policy.yaml overrides) and its default check string, in oslo.policy's language.
    `scopes`: the scopes of tokens it takes at all ("system", "domain", "project"), oslo.policy's scope types; an
    override of the check leaves them. None given: any. `never_open`: an override that lets in everybody is not heeded;
    files have such from when the service itself looked who asks."""

    name: str
    check: str
    scopes: tuple[str, ...] = ()
    never_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The states an object can have, as data. `field` holds the state, `reason` (if any) why it failed.

    `stable` states may last; every other state belongs to exactly one declared `Operation` (its `state`), and an object
    in it without a live operation is a defect the auditor reports. `allows` names the states in which an action may
    begin; an action not named may begin in any.
    """

    stable: tuple[str, ...]
    allows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    field: str = "status"
    reason: str | None = "status_reason"

    def allowed(self, action: str, state: str) -> bool:
        """Whether `action` may begin in `state`."""
        return action not in self.allows or state in self.allows[action]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A durable action of a resource.

    run(steps, record): the steps, replayed from the start after a crash (finished steps return their recorded results,
    so it must be deterministic between steps). state: the transient state while it runs (None: the object keeps its
    state). within: the deadline. failing_to: the state when it is given up (None: the state it had before). overtakes:
    cancels a running operation of the same object at its next step boundary, and is begun whatever else is queued
    (delete).
    """

    run: Callable[["Steps", Record], None]
    state: str | None = None
    within: timedelta = timedelta(minutes=10)
    failing_to: str | None = None
    overtakes: bool = False


@dataclass(frozen=True, kw_only=True)
class Action:
    """A named action on one object (`on="member"`) or on the collection.

    `rule` takes (work, record, body, query) on a member and (work, body, query) on the collection; body and query hold
    the declared fields that were given (with defaults). Its result is rendered as it is: None, JSON, a Record (rendered
    as the resource) or a Reply. `reads`: "database" runs on the event loop's thread in a read transaction (the default
    of GET and HEAD); "driver" runs in a pool in a read transaction and returns a function without arguments that makes
    the slow call once the transaction is closed; "nothing" runs in a pool in a write transaction (the default of the
    others). Any rule in a pool may return such a function: it is called after the commit and its result is the answer.
    `answers`: statuses it may answer with beside `status` and the usual refusals, for the documentation.
    """

    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]
    suffix: str
    rule: Callable[..., Any]
    allow: Allow
    body: Sequence[Field] | None = None
    query: Sequence[Field] = ()
    on: Literal["member", "collection"] = "member"
    status: int = 202
    reads: Reads | None = None
    before: Callable[["Services", Caller, Record], None] | None = None
    since: str | None = None
    until: str | None = None
    answers: Sequence[int] = ()
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """The wider door: a path of the service with a handler of its own, `(work, request) -> Reply | JSON`.

    `token`: required, optional or none. `allow`: the policy rule checked with the caller's own scope as target (None:
    the handler checks). `reads`: as for Action. `stream`: the body is not read into memory: the handler (in a
    transaction, so that it can look up and mark the object) returns a function that reads `request.stream` and opens
    transactions of its own with `work.database.write()`. `answers`: as for Action.
    """

    method: str
    path: str
    handler: Callable[["Work", "Request"], "Reply | Json"]
    allow: Allow | None = None
    token: Literal["required", "optional", "none"] = "required"
    body: Sequence[Field] | None = None
    query: Sequence[Field] | None = None
    status: int = 200
    reads: Reads | None = None
    stream: bool = False
    since: str | None = None
    answers: Sequence[int] = ()
    doc: str = ""


Verb = Literal["list", "show", "create", "update", "delete"]
VERBS: Sequence[Verb] = ("list", "show", "create", "update", "delete")


def own_project(caller: Caller, source: sa.Table) -> "sa.ColumnElement[bool] | None":
    """Visible: the objects of the caller's project; an administrator sees all."""
    return None if caller.is_admin else source.c.project_id == caller.project_id


def everyone(caller: Caller, source: sa.Table) -> "sa.ColumnElement[bool] | None":
    """Visible: everything; policy alone decides."""
    return None


#: What a resource may do otherwise than its service does.
_HABITS = ("unknown_fields", "unknown_filters", "empty_update")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of the API, declared.

    path: the collection's path below the service's, with {placeholders} for parents; `members` are at `<path>/{id}`.
    key: "id", or "id_or_name" where the service looks up both (`id_field`, `name_field`). id_from: "cloud" gives ids;
    "path": callers choose them and create with PUT <path>/{id}; below parents they are unique within those only.
    visible: which rows a caller may know of.
    policy: verb → Allow. create/update/delete: rules replacing the kernel's own (insert, update, delete of
    the row):
      create(work, wanted) -> Record (or a Reply, where the answer is not simply the object);
      update(work, record, changes) -> Record; delete(work, record, query) -> None.
    parents: {placeholder: column} for nested collections; within(work, params) finds the parent first and raises
    NotFound. operations: action → durable steps, for `work.begin`.
    list_query, show_query, create_query, delete_query: query parameters those take (list: handed to `narrow`).
    narrow(work, statement, query) may change a list's select, as caller, path and query say and nothing else: what it
    makes is used again. selects(work, query string) is what a list shows that is a Route of its own, for those who
    watch it. view(work, record, shown) may change an answer.
    before: verb → f(services, caller, record), called in a pool with no transaction open, after validation and a first
    policy check (record: the input, which it may change; for list the query): slow hashing, rows that must exist before
    a list. target(work, record): members that check strings may name, merged into the policy target (record or input).
    quotas: what of it a project may have only so much of; rows.insert and rows.change hold to it.
    owner_field: the stored field, if there is one of that name, that holds the owning project's id. goes_with_owner:
    which rows go with their owner without being in the way of its going. purge(work, record): how an object is removed
    when its owner goes, where `delete` would ask for more than that; may begin an operation (see kernel/purging.py).
    unknown_fields, unknown_filters, empty_update: what happens to a body member or a query parameter of lists that is
    not declared, or to an update of nothing, where it differs from the dialect's habit.
    unknown_first: verbs that answer 404 for what is not there before they ask policy, in a dialect that asks policy
    first. policy_for(record or input): the rules for this one, where some of the objects have others.
    headers(work, records): what an answer that shows these carries besides its body. create_answers: as for Action.
    """

    name: str
    path: str
    fields: Sequence[Field | Sequence[Field]]
    plural: str = ""
    table_name: str = ""
    key: Literal["id", "id_or_name"] = "id"
    id_field: str = "id"
    name_field: str = "name"
    id_from: Literal["cloud", "path"] = "cloud"
    visible: Visible = own_project
    verbs: Sequence[Verb] = VERBS
    policy: Mapping[str, Allow] = field(default_factory=dict)
    policy_for: Callable[[Mapping[str, Any]], Mapping[Verb, Allow]] | None = None
    unknown_first: Sequence[Verb] = ()
    life: Lifecycle | None = None
    operations: Mapping[str, Operation] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    within: Callable[["Work", Mapping[str, str]], Any] | None = None
    create: Callable[["Work", Record], "Record | Reply"] | None = None
    update: Callable[["Work", Record, Record], Record] | None = None
    delete: Callable[["Work", Record, Record], None] | None = None
    actions: Sequence[Action] = ()
    create_query: Sequence[Field] = ()
    delete_query: Sequence[Field] = ()
    list_query: Sequence[Field] = ()
    show_query: Sequence[Field] = ()
    narrow: Callable[["Work", Any, Record], Any] | None = None
    selects: Callable[["Work", Sequence[tuple[str, str]]], Any] | None = None
    view: Callable[["Work", Record, dict[str, Any]], dict[str, Any]] | None = None
    headers: Callable[["Work", Sequence[Record]], dict[str, str]] | None = None
    #: Called once per answer with all its records, so that computed fields need one query, not one per object.
    load: Callable[["Work", Sequence[Record]], None] | None = None
    before: Mapping[str, Callable[["Services", Caller, Record], None]] = field(default_factory=dict)
    target: Callable[["Work", Mapping[str, Any]], Mapping[str, Any]] | None = None
    refuses_delete_while: Sequence[Callable[["Work", Record], str | None]] = ()
    unique: Sequence[tuple[str, ...]] = ()
    quotas: Sequence["Quota"] = ()
    owner_field: str = "project_id"
    goes_with_owner: Callable[[sa.Table], "sa.ColumnElement[bool]"] | None = None
    purge: Callable[["Work", Record], None] | None = None
    unknown_fields: Literal["refuse", "ignore", "keep"] | None = None
    unknown_filters: Literal["refuse", "ignore"] | None = None
    empty_update: Literal["refuse", "take"] | None = None
    create_status: int | None = None
    create_answers: Sequence[int] = ()
    update_status: int | None = None
    delete_status: int | None = None
    default_sort: tuple[str, str] | None = None
    doc: str = ""

    @cached_property
    def all_fields(self) -> dict[str, Field]:
        """Every field by name, in order."""
        flat: dict[str, Field] = {}
        for each in self.fields:
            for one in [each] if isinstance(each, Field) else each:
                flat[one.name] = one
        return flat

    @cached_property
    def stored_fields(self) -> dict[str, Field]:
        """The fields that are columns, by name, in order."""
        return {name: each for name, each in self.all_fields.items() if each.stored}

    @cached_property
    def many(self) -> str:
        """The plural noun."""
        return self.plural or self.name + "s"

    @cached_property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that together name one row."""
        return (self.id_field, *self.parents.values()) if self.id_from == "path" else (self.id_field,)

    @cached_property
    def table(self) -> sa.Table:
        """The table that holds the stored fields."""
        columns: list[Any] = []
        for each in self.all_fields.values():
            if each.stored:
                key = each.name in self.key_columns
                columns.append(
                    sa.Column(
                        each.name,
                        database.column_type(each.kind),
                        primary_key=key,
                        nullable=not key and each.null,
                        index=each.index or None,
                        unique=each.unique or None,
                    )
                )
        columns += [sa.UniqueConstraint(*names) for names in self.unique]
        return database.table(self.table_name or self.many, *columns)

    @cached_property
    def texts(self) -> frozenset[str]:
        """The names of the fields that are text."""
        return frozenset(each.name for each in self.all_fields.values() if each.kind.storage == "text")

    @cached_property
    def noun(self) -> str:
        """The name in CamelCase, as machine-readable error names carry it (SecurityGroupNotFound)."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    def habits(self, dialect: Dialect) -> Dialect:
        """The dialect as this resource speaks it."""
        own = {name: habit for name in _HABITS if (habit := getattr(self, name))}
        return replace(dialect, **own) if own else dialect

    def allow(self, verb: str) -> Allow | None:
        """The policy rule of a standard verb, if declared."""
        return self.policy.get(verb)
