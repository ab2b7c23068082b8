"""The policy that is meant for an endpoint."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.policy import rules

ROUTES = [
    Route(
        method="GET",
        path="/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        handler=rules.show_for_endpoint,
        reads="database",
        allow=allow("get_policy_for_endpoint", ADMIN_OR_SYSTEM_READER),
    ),
]
