"""What roles answer beside their collection."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.role import resource as resource
from stackyard.rooms.identity.resources.role import rules

ROUTES = [
    Route(
        method="GET",
        path="/v3/role_inferences",
        handler=rules.list_inferences,
        reads="database",
        allow=allow("list_role_inference_rules", ADMIN_OR_SYSTEM_READER),
    ),
]
