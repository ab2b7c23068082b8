"""How limits bound each other in this cloud."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ANYONE, allow
from stackyard.rooms.identity.resources.limit import enforcement

ROUTES = [
    Route(
        method="GET",
        path="/v3/limits/model",
        handler=enforcement.show,
        reads="database",
        allow=allow("get_limit_model", ANYONE),
    ),
]
