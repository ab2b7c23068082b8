"""A toy room with one plain resource, to test what the kernel supplies to every declaration."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import Integer, ListOf, Text
from stackyard.kernel.declare.resource import (
    Action,
    Allow,
    Description,
    Field,
    Id,
    Internal,
    Name,
    Project,
    Resource,
    Revision,
    Route,
    Timestamps,
)
from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Microversions, Version
from stackyard.kernel.errors import ApiError, Unauthorized
from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.policy import Policies
from stackyard.kernel.request.routing import Router
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Services, SystemClock

READER = "role:reader and project_id:%(project_id)s or role:admin"
MEMBER = "role:member and project_id:%(project_id)s or role:admin"

BOX = Resource(
    name="box",
    plural="boxes",
    path="/v1/boxes",
    key="id_or_name",
    fields=[
        Id(),
        Project(),
        Name(max=20),
        Description(),
        Field(name="size", kind=Integer(min=1, max=9), required=True),
        Field(name="tags", kind=ListOf(Text(max=5)), default=list, since="1.3"),
        Field(name="host", kind=Text(), default=None, null=True, admin="role:admin"),
        Internal("secret", Text(), default="s3cret"),
        Revision(),
        Timestamps(),
    ],
    policy={
        "list": Allow("box:list", READER),
        "show": Allow("box:show", READER),
        "create": Allow("box:create", MEMBER),
        "update": Allow("box:update", MEMBER),
        "delete": Allow("box:delete", MEMBER),
    },
    actions=[
        Action(
            method="POST",
            suffix="open",
            rule=lambda work, record, body, query: {"opened": record.name, "by": body["by"]},
            allow=Allow("box:open", MEMBER),
            body=[Field(name="by", kind=Text(min=1), required=True)],
            since="1.2",
        ),
    ],
)

ROOM = Room(
    name="toy",
    path="/toy",
    services=[("toy", "toy", "")],
    dialect=Dialect(
        error=lambda error: {"fault": error.message, "field": error.field},
        bulk=True,
        field_selection=True,
        list_extra=lambda plural, url, next_url: (
            {f"{plural}_links": [{"rel": "next", "href": next_url}]} if next_url else {}
        ),
    ),
    versions=Microversions("toy", Version(1, 1), Version(1, 4)),
    resources=[BOX],
    routes=[
        Route(method="GET", path="", handler=lambda work, request: {"versions": []}, token="none", reads="database"),
        Route(method="POST", path="/break", handler=lambda work, request: 1 / 0),
    ],
)


def caller_of(tx: Transaction, token: str) -> Caller:
    """Tokens of the toy cloud read 'project:role'."""
    project, _, role = token.partition(":")
    if not role:
        raise Unauthorized("That token is not valid.")
    implied = {"admin": ("admin", "member", "reader"), "member": ("member", "reader")}.get(role, (role,))
    return Caller(user_id=f"user-of-{project}", project_id=project, roles=implied)


class SilentJournal:
    """Operations are tested elsewhere; here only events arrive, and are dropped."""

    def begin(self, *arguments: Any) -> str:
        raise ApiError("the toy has no operations")

    def event(self, *arguments: Any, **details: Any) -> None:
        return None

    def running(self, *arguments: Any) -> list[Any]:
        return []


def toy_chain(folder: Path) -> Chain:
    """A chain over a fresh database with the toy room."""
    database = Database(f"sqlite:///{folder}/toy.db")
    BOX.table.create(database.engine)
    services = Services(
        database=database,
        journal=SilentJournal(),
        policy=Policies([ROOM]),
        clock=SystemClock(),
        nodes=None,
        settings=SimpleNamespace(base_url="http://toy"),
        bound={},
        signal=lambda name: None,
    )
    return Chain(services, Router(endpoints(ROOM), [ROOM]), caller_of)
