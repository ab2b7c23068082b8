"""Reverse proxies whose word is taken: about the address of the client behind them, and about who the client is.

Everybody can send the headers by which proxies speak. They count only on connections from an address that the operator
named; from all others they are a client's own words, and nothing is believed of them.
"""

import ipaddress
from collections.abc import Mapping, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The proxies named by the operator, by address or network."""

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        """Raises ValueError for what is neither an address nor a network."""
        self._networks: list[Network] = [ipaddress.ip_network(each, strict=False) for each in addresses]

    def trusted(self, address: str) -> bool:
        """Whether a proxy of ours is at that address."""
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._networks)

    def client(self, peer: str, headers: Mapping[str, str]) -> tuple[str, bool]:
        """The address of the client, and whether a trusted proxy passed the request on. Of the addresses in
        X-Forwarded-For the last that is no proxy of ours counts: those before it are the client's own words."""
        if not self._networks or not self.trusted(peer):
            return peer, False
        told = [each.strip() for each in headers.get("x-forwarded-for", "").split(",") if each.strip()]
        return next((each for each in reversed(told) if not self.trusted(each)), peer), True
