"""Which host a network lives on. Until networks reach across hosts, all that can talk inside the cloud is on one.

Networks that routers connect live together. Where ports of devices are bound, or else where a router is placed, is
their home; nothing bound and no router: they live nowhere yet. An external network has no home: each host is the
gateway of its own share of it.
"""

from collections.abc import Iterable

from stackyard.kernel.errors import Conflict
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources.network import store as network_store
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store as router_store


def homes(work: Work, network_ids: Iterable[str], besides: str | None = None) -> dict[str, str]:
    """The hosts where these networks live, each with a network that lives there. Ports of the device `besides` do not
    count."""
    networks, routers = _connected(work, network_ids)
    found: dict[str, str] = {}
    for router_id in sorted(routers):
        router = router_store.get(work, router_id)
        if router is not None and router.host:
            found.setdefault(router.host, router_store.interfaces(work, router_id)[0].network_id)
    for each in port_store.hosts_of_networks(work, networks, besides):
        found[each["binding:host_id"]] = each.network_id
    return found


def refuse_two(work: Work, network_id: str, host: str) -> None:
    """Raise Conflict when the network lives on another host than this one."""
    elsewhere = {name for name in homes(work, [network_id]) if name != host}
    if elsewhere:
        raise _apart(network_id, min(elsewhere), f"the container is on host {host}")


def join(work: Work, network_id: str) -> None:
    """A router connects this network to others from now on: they live together. Routers follow the devices. Raises
    Conflict when there are devices on two hosts."""
    networks, routers = _connected(work, [network_id])
    bound = {each["binding:host_id"]: each.network_id for each in port_store.hosts_of_networks(work, networks, None)}
    if len(bound) > 1:
        first, second = sorted(bound)[:2]
        raise _apart(bound[first], first, f"network {bound[second]} lives on host {second}")
    placed = {router_store.get(work, each).host for each in routers} - {None}  # type: ignore[union-attr]
    if placed and placed != set(bound or placed):
        router_store.place(work, routers, next(iter(bound)))
    elif len(placed) > 1:
        router_store.place(work, routers, min(placed))


def place_routers(work: Work, hosts: list[str]) -> None:
    """Every router without a host gets one: where its networks live, else where the fewest routers are."""
    for router_id in router_store.unplaced(work):
        mine = [each.network_id for each in router_store.interfaces(work, router_id)]
        living = homes(work, mine)
        fewest = min(hosts, key=lambda host: (len(router_store.on_host(work, host)), host))
        router_store.place(work, [router_id], min(living) if living else fewest)


def _connected(work: Work, network_ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """These networks and all that routers connect with them, and those routers. External networks connect nothing."""
    networks, routers = set[str](), set[str]()
    found = network_store.internal(work, network_ids)
    while found:
        networks |= found
        new = router_store.on_networks(work, found) - routers
        routers |= new
        found = {port.network_id for each in new for port in router_store.interfaces(work, each)} - networks
    return networks, routers


def _apart(network_id: str, host: str, other: str) -> Conflict:
    return Conflict(
        f"Network {network_id} lives on host {host}, and {other}: networks do not reach across hosts yet.",
        kind="NetworkOnOtherHost",
        remedy="Use a network that lives on the same host, or a new one.",
    )
