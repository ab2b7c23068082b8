"""What can be scripted, by the names that a test gives it: operations, drivers' calls, requests."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.assemble import ROOMS, contracts, rooms
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.request.endpoints import Endpoint, endpoints
from stackyard.node.contract import Contract
from stackyard.testing.script import Moment, Place

OPERATION, CALL, REQUEST = "operation", "call", "request"
_DRIVER = " driver"


@dataclass(frozen=True)
class Operations:
    """The operations of one action of a resource. Moments: their steps."""

    resource: str
    action: str
    can_be_polled = True

    def concerns(self, moment: Moment) -> frozenset[str] | None:
        """See Place."""
        return moment.names if (moment.kind, moment.key) == (OPERATION, (self.resource, self.action)) else None


@dataclass(frozen=True)
class Calls:
    """Calls of drivers, by (room, method): each with what gives the names of the objects that a call is about by what
    it is given first. A call without any is another one."""

    methods: Mapping[tuple[str, str], Callable[[Any], set[str]]]
    can_be_polled: bool = True

    def concerns(self, moment: Moment) -> frozenset[str] | None:
        """See Place."""
        names_of = self.methods.get(moment.key) if moment.kind == CALL else None
        return (frozenset(names_of(moment.subject)) or None) if names_of is not None else None


@dataclass(frozen=True)
class Requests:
    """Requests of one method for one path, with its placeholders."""

    method: str
    path: str
    can_be_polled = False

    def concerns(self, moment: Moment) -> frozenset[str] | None:
        """See Place."""
        return frozenset() if (moment.kind, moment.key) == (REQUEST, (self.method, self.path)) else None


def _its_id(subject: Any) -> set[str]:
    return {str(getattr(subject, "id", subject))}


def _floating_of_router(router: Any) -> set[str]:
    return {each.floating_ip for each in router.floating}


#: What makes an object ACTIVE that no operation makes: the driver's call that its status waits for. A router's ports
#: become so with the router.
_ACTIVATE: Mapping[str, Calls] = {
    "port": Calls({("network", "plug"): _its_id}),
    "router": Calls({("network", "ensure_router"): _its_id}),
    "floating_ip": Calls({("network", "ensure_router"): _floating_of_router}, can_be_polled=False),
}


def place(name: str, action: str) -> Place:
    """What a test names so. Raises ValueError for what there is not, and for what there is more than once."""
    if name.endswith(_DRIVER):
        return _call(name.removesuffix(_DRIVER), action)
    if name.startswith("/"):
        return _request(action, name)
    if action == "activate" and name in _ACTIVATE:
        return _ACTIVATE[name]
    found = dict(_declared(name, action))
    if len(found) > 1:
        several = " and ".join(f"{room}.{name}" for room in found)
        raise ValueError(f"there are {several}: say which")
    if not found:
        raise ValueError(f"no {name!r} has an action {action!r}; there are: {_known(name)}")
    return next(iter(found.values()))


def _call(room: str, method: str) -> Calls:
    carried = contracts(ROOMS)
    methods = Contract(carried[room]).methods if room in carried else {}
    if method not in methods:
        known = ", ".join(methods) or "drivers of " + ", ".join(carried)
        raise ValueError(f"no {room} driver has a method {method!r}; there are: {known}")
    return Calls({(room, method): _its_id})


def _request(method: str, path: str) -> Requests:
    if not any((each.method, each.path) == (method, path) for room in rooms() for each in endpoints(room)):
        raise ValueError(f"there is no {method} {path}: give a method and a path as /openapi.json has them")
    return Requests(method, path)


def _declared(name: str, action: str) -> Iterator[tuple[str, Place]]:
    """By room: the operation of that name, else the request. `name`: a resource's, or ROOM.RESOURCE."""
    only, _, resource = name.rpartition(".")
    for room, each in _resources():
        if each.name != resource or only not in ("", room.name):
            continue
        if action in each.operations:
            yield room.name, Operations(each.name, action)
        elif request := _verbs(room, each).get(action):
            yield room.name, request


def _resources() -> Iterator[tuple[Room, Resource]]:
    return ((room, each) for room in rooms() for each in room.resources)


def _verbs(room: Room, resource: Resource) -> dict[str, Requests]:
    """What can be asked of a resource: its standard verbs, written by hand or not."""
    collection = room.path + resource.path
    usual = {("GET", False): "list", ("POST", False): "create", ("GET", True): "show", ("DELETE", True): "delete"}
    usual |= {(method, True): "update" for method in ("PUT", "PATCH")}
    found: dict[str, Requests] = {}
    for each in endpoints(room):
        below = each.path.removeprefix(collection)
        is_member = below.startswith("/{") and below.count("/") == 1
        verb = each.verb if each.resource is resource else None
        if verb is None and each.path.startswith(collection) and (is_member or not below) and _is_plain(each, resource):
            verb = usual.get((each.method, is_member))  # type: ignore[assignment]
        if verb is not None:
            found.setdefault(verb, Requests(each.method, each.path))
    return found


def _is_plain(endpoint: Endpoint, resource: Resource) -> bool:
    return endpoint.resource in (None, resource)


def _known(name: str) -> str:
    """What can be scripted, for those who named something else: the actions of the resource, else all operations."""
    of_resource = {
        f"{each.name} {action}"
        for room, each in _resources()
        if each.name == name.rpartition(".")[2]
        for action in (*each.operations, *_verbs(room, each))
    }
    operations = {f"{each.name} {action}" for _, each in _resources() for action in each.operations}
    return ", ".join(sorted(of_resource or operations))
