"""What happens when a router is made, changed or removed."""

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses, dataplane
from stackyard.rooms.network.resources import router as routers
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import gateway, store

MOST_ROUTES = 30


def create(work: Work, wanted: Record) -> Record:
    """A router, with its gateway if one is asked for."""
    wanted["project_id"] = rows.owner_of(work, wanted)
    created = rows.insert(work, routers.ROUTER, {**wanted, "routes": []})
    if wanted.get("external_gateway_info"):
        created = gateway.change(work, created, wanted.external_gateway_info)
    dataplane.touch(work, routers=[created.id])
    return created


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a router. A gateway of null or {} takes the gateway away."""
    changed = record
    if "external_gateway_info" in changes:
        changed = gateway.change(work, record, changes.external_gateway_info)
    if "routes" in changes:
        changes["routes"] = _checked_routes(work, record, changes.routes or [])
    changed = rows.change(
        work, routers.ROUTER, changed, {k: v for k, v in changes.items() if k != "external_gateway_info"}
    )
    dataplane.touch(work, routers=[record.id])
    return changed


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a router and its gateway. Raises Conflict while a subnet is connected to it."""
    if interfaces := store.interfaces(work, record.id):
        raise Conflict(
            f"Router {record.id} still has ports ({', '.join(each.id for each in interfaces[:10])}).",
            kind="RouterInUse",
            remedy="Remove its interfaces first.",
        )
    if record.gateway_port_id:
        gateway.change(work, record, None)
    rows.remove(work, routers.ROUTER, record)
    dataplane.touch(work, routers=[record.id])


def purge(work: Work, record: Record) -> None:
    """Remove a router with its interfaces: its project goes."""
    for each in store.interfaces(work, record.id):
        port_rules.discard(work, each)
    delete(work, record, Record())


def add_routes(work: Work, record: Record, body: Record, query: Record) -> Record:
    """Routes added to those the router has."""
    added = [each for each in body.router["routes"] if each not in record.routes]
    return update(work, record, Record(routes=[*record.routes, *added]))


def remove_routes(work: Work, record: Record, body: Record, query: Record) -> Record:
    """Routes taken from those the router has."""
    return update(work, record, Record(routes=[each for each in record.routes if each not in body.router["routes"]]))


def _checked_routes(work: Work, record: Record, routes: list[dict[str, str]]) -> list[dict[str, str]]:
    """Next hops lie on a network the router is connected to, and are not the router itself."""
    if len(routes) > MOST_ROUTES:
        raise BadRequest(
            f"Unable to complete operation for {record.id}. The number of routes exceeds the maximum {MOST_ROUTES}.",
            field="routes",
            kind="RoutesExhausted",
        )
    ports = port_store.of_router(work, record.id)
    held = [each for found in port_store.addresses_of(work, [each.id for each in ports]).values() for each in found]
    cidrs = gateway.cidrs(work, [each.subnet_id for each in held])
    for each in routes:
        if not any(addresses.within(each["nexthop"], cidr) for cidr in cidrs):
            raise _bad_route(each, "the nexthop is not connected with router")
        if each["nexthop"] in {one.ip_address for one in held}:
            raise _bad_route(each, "the nexthop is used by router")
        if addresses.network(each["destination"]).version != (6 if ":" in each["nexthop"] else 4):
            raise _bad_route(each, "destination and nexthop are not of one family")
    if len({repr(sorted(each.items())) for each in routes}) != len(routes):
        raise BadRequest("Invalid input for routes. Reason: Duplicate items in the list.", field="routes")
    return routes


def _bad_route(route: dict[str, str], why: str) -> BadRequest:
    said = f"{route['destination']} via {route['nexthop']}"
    return BadRequest(f"Invalid format for routes: {said}, {why}.", field="routes", kind="InvalidRoutes")
