"""Which of a network's existing connections its filters would not let begin now."""

import ipaddress
from collections.abc import Callable, Iterable

from stackyard.hosts.conntrack import Flow

from ...driver import PortSpec, RuleSpec
from .permissions import allows
from .records import NetworkRecord, PortRecord


def forbidden(record: NetworkRecord, removed: Iterable[PortRecord] = ()) -> Callable[[Flow], bool]:
    """A function that tells whether a connection is of a removed port, or one that a port at either end forbids.

    A connection's ports are those its mark names (see ``filters``), and those that hold its addresses: one that crosses
    the network twice, by way of a router, has been marked for its last crossing only.
    """
    gone_numbers = {port.number for port in removed}
    gone_addresses = {address for port in removed for address in _addresses(port.spec)}
    by_number = {port.number: port.spec for port in record.ports.values()}
    by_address = {address: port.spec for port in record.ports.values() for address in _addresses(port.spec)}
    gone_addresses -= by_address.keys()
    permitted = _Permitted(record)

    def judge(flow: Flow) -> bool:
        origin, destination = flow.mark >> 16, flow.mark & 0xFFFF
        if {origin, destination} & gone_numbers or {flow.source, flow.target} & gone_addresses:
            return True
        senders = _present(by_number.get(origin), by_address.get(flow.source))
        receivers = _present(by_number.get(destination), by_address.get(flow.target))
        return not (
            all(permitted.by(port, "egress", flow) for port in senders)
            and all(permitted.by(port, "ingress", flow) for port in receivers)
        )

    return judge


def _addresses(port: PortSpec) -> set[str]:
    return {str(ipaddress.ip_interface(address).ip) for address in port.addresses}


def _present(*ports: PortSpec | None) -> list[PortSpec]:
    return [port for port in ports if port is not None]


class _Permitted:
    """What the groups of a network's ports permit."""

    def __init__(self, record: NetworkRecord) -> None:
        self._groups = record.groups
        self._members = {
            group.id: frozenset(str(ipaddress.ip_address(address)) for address in group.members)
            for group in record.groups.values()
        }

    def by(self, port: PortSpec, direction: str, flow: Flow) -> bool:
        """Whether the port lets the connection begin in this direction."""
        if not port.port_security:
            return True
        return any(allows(rule, flow, self._members) for rule in self._rules(port, direction))

    def _rules(self, port: PortSpec, direction: str) -> Iterable[RuleSpec]:
        for group_id in port.groups:
            if group_id in self._groups:
                yield from (rule for rule in self._groups[group_id].rules if rule.direction == direction)
