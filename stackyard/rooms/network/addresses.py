"""Arithmetic of addresses: gateways, allocation pools, the next free address, EUI-64. No rows, no API."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Pool:
    """A run of addresses, both ends included, as numbers."""

    start: int
    end: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.start <= number <= self.end

    def size(self) -> int:
        """How many addresses it holds."""
        return self.end - self.start + 1


def usable(net: Net) -> Pool:
    """The addresses a host may have: without network and broadcast (IPv4) or subnet-router anycast address (IPv6)."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.num_addresses <= 2:
        return Pool(first, last)
    return Pool(first + 1, last - 1 if net.version == 4 else last)


def default_gateway(net: Net) -> str:
    """The first usable address."""
    return at(net, usable(net).start)


def at(net: Net, number: int) -> str:
    """A number as an address of the network's family."""
    return str(ipaddress.IPv4Address(number) if net.version == 4 else ipaddress.IPv6Address(number))


def default_pools(net: Net, gateway: str | None) -> list[Pool]:
    """All usable addresses but the gateway."""
    whole = usable(net)
    number = int(ipaddress.ip_address(gateway)) if gateway else -1
    if number not in whole:
        return [whole]
    halves = [Pool(whole.start, number - 1), Pool(number + 1, whole.end)]
    return [each for each in halves if each.size() > 0]


def shown(net: Net, pools: Iterable[Pool]) -> list[dict[str, str]]:
    """Pools as the API writes them."""
    return [{"start": at(net, each.start), "end": at(net, each.end)} for each in pools]


def read_pools(pools: Sequence[dict[str, str]]) -> list[Pool]:
    """Pools from what the API writes."""
    return [Pool(int(ipaddress.ip_address(each["start"])), int(ipaddress.ip_address(each["end"]))) for each in pools]


def first_free(pools: Iterable[Pool], taken: Iterable[int]) -> int | None:
    """The lowest address in the pools that is not taken."""
    occupied = set(taken)
    for pool in sorted(pools, key=lambda each: each.start):
        candidate = pool.start
        while candidate in occupied:
            candidate += 1
        if candidate <= pool.end:
            return candidate
    return None


def eui64(net: Net, mac: str) -> str:
    """The address a host with this MAC gives itself on an IPv6 network (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    identifier = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    return str(ipaddress.IPv6Address(int(net.network_address) | int.from_bytes(bytes(identifier), "big")))


@lru_cache(4096)
def network(cidr: str) -> Net:
    """A CIDR as a network."""
    return ipaddress.ip_network(cidr)


def number(address: str) -> int:
    """An address as a number."""
    return int(ipaddress.ip_address(address))


def within(address: str, cidr: str) -> bool:
    """Whether the address lies in the range."""
    ip, net = ipaddress.ip_address(address), network(cidr)
    return ip.version == net.version and ip in net


def with_prefix(address: str, cidr: str) -> str:
    """An address with the prefix length of its subnet."""
    return f"{address}/{network(cidr).prefixlen}"


def overlap(one: str, other: str) -> bool:
    """Whether two ranges share an address."""
    a, b = network(one), network(other)
    return a.version == b.version and a.overlaps(b)


def contains(outer: str, inner: str) -> bool:
    """Whether one range lies in another."""
    a, b = network(outer), network(inner)
    return a.version == b.version and a.prefixlen <= b.prefixlen and a.overlaps(b)


def free_range(prefixes: Iterable[str], length: int, taken: Iterable[str]) -> str | None:
    """The lowest range of this prefix length in the prefixes that overlaps with none taken."""
    held = sorted((int(each.network_address), int(each.broadcast_address)) for each in map(network, taken))
    for prefix in map(network, prefixes):
        size = 1 << (prefix.max_prefixlen - length)
        start, last = int(prefix.network_address), int(prefix.broadcast_address)
        for first, end in held:
            if first <= start + size - 1 and start <= end:
                start = (end // size + 1) * size
        if start + size - 1 <= last:
            return f"{at(prefix, start)}/{length}"
    return None


def weight(cidr: str) -> int:
    """What a range counts for in a pool's quota: IPv4 addresses, or IPv6 /64s (at least one)."""
    net = network(cidr)
    return net.num_addresses if net.version == 4 else max(1, net.num_addresses >> 64)
