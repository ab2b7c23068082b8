"""What this cloud's things are called on the host.

Everything visible from the host's own namespace carries the cloud's id. Inside a cloud's namespaces, devices are named
by a digest of the object's id: an interface name has room for 15 characters, and the beginnings of ids may be alike.
"""

import hashlib
import re
from dataclasses import dataclass

from ...driver import InvalidSpec

#: The name of a network's or router's own nft tables, in its own namespace.
TABLE = "stackyard"
BRIDGE = "bridge"

_CLOUD = re.compile(r"[a-z0-9]{1,6}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked_id(text: str) -> str:
    """The id, if it can be part of names on the host. Raises InvalidSpec."""
    if not _ID.fullmatch(text):
        raise InvalidSpec(f"an id is 1 to 64 letters, digits, '-' and '_', not {text!r}")
    return text


def _digest(text: str, length: int) -> str:
    return hashlib.blake2b(text.encode()).hexdigest()[:length]


def port_device(port_id: str) -> str:
    """A port's end on its network's bridge."""
    return f"p{_digest(port_id, 14)}"


def router_device(port_id: str) -> str:
    """A router port's end on the network's bridge."""
    return f"r{_digest(port_id, 14)}"


def router_interface(port_id: str) -> str:
    """A router port's end in the router: an inside interface."""
    return f"i{_digest(port_id, 14)}"


def router_gateway(port_id: str) -> str:
    """A router port's end in the router: the way out."""
    return f"g{_digest(port_id, 14)}"


def host_device(network_id: str) -> str:
    """The end of the host's own link to an external network that is on that network's bridge."""
    return f"h{_digest(network_id, 14)}"


@dataclass(frozen=True)
class CloudNames:
    """The names that carry the cloud's id: at most 6 characters, no '-', so no cloud's prefix begins another's."""

    cloud: str

    def __post_init__(self) -> None:
        if not _CLOUD.fullmatch(self.cloud):
            raise InvalidSpec(f"a cloud's id is 1 to 6 lower-case letters and digits, not {self.cloud!r}")

    @property
    def namespaces(self) -> str:
        """How the names of all namespaces begin."""
        return f"stackyard-{self.cloud}-"

    @property
    def host_links(self) -> str:
        """How the names of all interfaces in the host's namespace begin."""
        return f"sy{self.cloud}-"

    @property
    def host_table(self) -> str:
        """The nft table in the host's namespace."""
        return f"stackyard_{self.cloud}"

    def network(self, network_id: str) -> str:
        """A network's namespace."""
        return f"{self.namespaces}network-{network_id}"

    def router(self, router_id: str) -> str:
        """A router's namespace."""
        return f"{self.namespaces}router-{router_id}"

    def host_link(self, network_id: str) -> str:
        """The host's own interface on an external network."""
        return f"{self.host_links}{_digest(network_id, 15 - len(self.host_links))}"

    def port_alias(self, port_id: str) -> str:
        """What tells an interface in a container to be a port of this cloud."""
        return f"stackyard {self.cloud} port {port_id}"
