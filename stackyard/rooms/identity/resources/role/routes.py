"""What roles answer beside their collection."""

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
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

#: Asked for, beside the role's own rule, when the role belongs to a domain.
DOMAIN_ROLES: list[Allow] = [
    allow("get_domain_role", ADMIN_OR_SYSTEM_READER),
    allow("list_domain_roles", ADMIN_OR_SYSTEM_READER),
    allow("create_domain_role", ADMIN),
    allow("update_domain_role", ADMIN),
    allow("delete_domain_role", ADMIN),
]
