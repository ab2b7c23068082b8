"""What Neutron has and this room has not yet: answered with 501, so that nobody takes silence for an answer."""

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.errors import NotImplementedYet
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work

_COLLECTIONS = (
    "address-groups",
    "address-scopes",
    "auto-allocated-topology",
    "default-security-group-rules",
    "flavors",
    "local_ips",
    "log/logs",
    "log/loggable-resources",
    "metering/metering-labels",
    "metering/metering-label-rules",
    "network_segment_ranges",
    "qos/policies",
    "qos/rule-types",
    "rbac-policies",
    "segments",
    "service_profiles",
    "trunks",
    "agents/{agent_id}/dhcp-networks",
    "agents/{agent_id}/l3-routers",
    "floatingips/{floatingip_id}/port_forwardings",
    "networks/{network_id}/dhcp-agents",
    "routers/{router_id}/conntrack_helpers",
    "routers/{router_id}/l3-agents",
)


def _refuse(work: Work, request: Request) -> None:
    raise NotImplementedYet(f"{request.method} {request.path} is not offered yet.", remedy="See docs/conformance.md.")


ROUTES = [
    Route(method=method, path=f"/v2.0/{collection}{member}", handler=_refuse, status=501, doc="Not offered yet.")
    for collection in _COLLECTIONS
    for member, methods in (("", ("GET", "POST")), ("/{member_id}", ("GET", "PUT", "DELETE")))
    for method in methods
]
