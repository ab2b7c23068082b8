"""Which addresses a port gets: those asked for, one of each family otherwise, and those hosts give themselves."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.resources.port import store
from stackyard.rooms.network.resources.subnet import store as subnet_store

MOST_ADDRESSES = 5
_SELF_GIVEN = ("slaac", "dhcpv6-stateless")

Asked = Sequence[dict[str, Any]]


def gives_itself(subnet: Record) -> bool:
    """Whether hosts on this subnet make their own addresses from their MACs."""
    return subnet.ipv6_address_mode in _SELF_GIVEN or subnet.ipv6_ra_mode in _SELF_GIVEN


def assign(work: Work, port: Record, asked: Asked | None) -> None:
    """Give a new port its addresses: those asked for, or (None) one of each family. Raises BadRequest, Conflict."""
    subnets = subnet_store.on_network(work, port.network_id)
    if asked is None:
        _one_of_each_family(work, port, subnets)
    else:
        for subnet, ip_address in _read(port, asked, subnets):
            _give(work, port, subnet, ip_address)
    _self_given(work, port, subnets)


def reassign(work: Work, port: Record, asked: Asked) -> None:
    """Give a port exactly the addresses asked for; those it has already stay as they are."""
    subnets = subnet_store.on_network(work, port.network_id)
    held = [(each.subnet_id, each.ip_address) for each in store.addresses_of(work, [port.id]).get(port.id, [])]
    wanted = _matched(_read(port, asked, subnets), held)
    automatic = {each.id for each in subnets if gives_itself(each)} if port.router_id is None else set()
    keep = {(subnet.id, ip_address) for subnet, ip_address in wanted}
    for subnet_id, ip_address in held:
        if (subnet_id, ip_address) not in keep and subnet_id not in automatic:
            store.take_address(work, port.id, subnet_id, ip_address)
    for subnet, ip_address in wanted:
        if (subnet.id, ip_address) not in held:
            _give(work, port, subnet, ip_address)


def _matched(wanted: list[tuple[Record, str | None]], held: list[tuple[str, str]]) -> list[tuple[Record, str | None]]:
    """An entry that names only its subnet is content with an address the port has there already."""
    named = {(subnet.id, ip_address) for subnet, ip_address in wanted}
    spare = [each for each in held if each not in named]
    matched: list[tuple[Record, str | None]] = []
    for subnet, ip_address in wanted:
        found = next((each for each in spare if each[0] == subnet.id), None) if ip_address is None else None
        if found:
            spare.remove(found)
        matched.append((subnet, found[1] if found else ip_address))
    return matched


def _read(port: Record, asked: Asked, subnets: list[Record]) -> list[tuple[Record, str | None]]:
    if len(asked) > MOST_ADDRESSES:
        raise _refused(f"Exceeded maximum amount of fixed ips per port ({MOST_ADDRESSES})")
    found = [(_subnet_for(port, each, subnets), each.get("ip_address")) for each in asked]
    explicit = [each for each in found if each[1] is not None]
    if len({(subnet.id, ip_address) for subnet, ip_address in explicit}) != len(explicit):
        raise _refused("Duplicate IP address in fixed_ips")
    # What a host gives itself is added for every such subnet, named or not.
    return [each for each in found if port.router_id is not None or each[1] is not None or not gives_itself(each[0])]


def _subnet_for(port: Record, entry: dict[str, Any], subnets: list[Record]) -> Record:
    ip_address, subnet_id = entry.get("ip_address"), entry.get("subnet_id")
    if not ip_address and not subnet_id:
        raise _refused("IP allocation requires subnet_id or ip_address")
    if subnet_id:
        subnet = next((each for each in subnets if each.id == subnet_id), None)
        if subnet is None:
            raise _refused(
                f"Failed to create port on network {port.network_id}, because fixed_ips included invalid subnet "
                f"{subnet_id}"
            )
    else:
        subnet = next((each for each in subnets if addresses.within(str(ip_address), each.cidr)), None)
        if subnet is None:
            raise BadRequest(
                f"IP address {ip_address} is not a valid IP for any of the subnets on the specified network.",
                field="fixed_ips",
                kind="InvalidIpForNetwork",
            )
    if ip_address:
        _check_address(port, subnet, ip_address)
    return subnet


def _check_address(port: Record, subnet: Record, ip_address: str) -> None:
    net = addresses.network(subnet.cidr)
    if not addresses.within(ip_address, subnet.cidr) or addresses.number(ip_address) not in addresses.usable(net):
        raise BadRequest(
            f"IP address {ip_address} is not a valid IP for the specified subnet.",
            field="fixed_ips",
            kind="InvalidIpForSubnet",
        )
    if port.router_id is None and gives_itself(subnet) and ip_address != addresses.eui64(net, port.mac_address):
        raise BadRequest(
            f"IPv6 address {ip_address} cannot be directly assigned to a port on subnet {subnet.id} as the subnet is "
            "configured for automatic addresses.",
            field="fixed_ips",
            kind="AllocationOnAutoAddressSubnet",
        )


def _one_of_each_family(work: Work, port: Record, subnets: list[Record]) -> None:
    for version in (4, 6):
        family = [each for each in subnets if each.ip_version == version and not gives_itself(each)]
        if family and not any(_allocate(work, port, each) for each in family):
            raise _exhausted(port.network_id)


def _self_given(work: Work, port: Record, subnets: list[Record]) -> None:
    if port.router_id is not None:
        return
    held = {each.subnet_id for each in store.addresses_of(work, [port.id]).get(port.id, [])}
    for subnet in subnets:
        if gives_itself(subnet) and subnet.id not in held:
            claim(work, port.id, subnet, addresses.eui64(addresses.network(subnet.cidr), port.mac_address))


def _give(work: Work, port: Record, subnet: Record, ip_address: str | None) -> None:
    if ip_address is not None:
        claim(work, port.id, subnet, ip_address)
    elif not _allocate(work, port, subnet):
        raise _exhausted(port.network_id)


def _allocate(work: Work, port: Record, subnet: Record) -> bool:
    taken = [*store.taken(work, subnet.id), *([subnet.gateway_ip] if subnet.gateway_ip else [])]
    free = addresses.first_free(addresses.read_pools(subnet.allocation_pools), map(addresses.number, taken))
    if free is None:
        return False
    store.add_address(work, port.id, subnet, addresses.at(addresses.network(subnet.cidr), free))
    return True


def claim(work: Work, port_id: str, subnet: Record, ip_address: str) -> None:
    """Give the port this very address. Raises Conflict when another port has it."""
    if store.holder(work, subnet.id, ip_address):
        raise Conflict(
            f"IP address {ip_address} already allocated in subnet {subnet.id}.",
            field="fixed_ips",
            kind="IpAddressAlreadyAllocated",
            remedy="Choose another address, or none.",
        )
    store.add_address(work, port_id, subnet, ip_address)


def _exhausted(network_id: str) -> Conflict:
    return Conflict(
        f"No more IP addresses available on network {network_id}.",
        kind="IpAddressGenerationFailure",
        remedy="Delete unused ports, or add a subnet or a pool.",
    )


def _refused(why: str) -> BadRequest:
    return BadRequest(f"Invalid input for operation: {why}.", field="fixed_ips", kind="InvalidInput")
