"""Which paths federation has beside its objects."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ANYONE, allow
from stackyard.rooms.identity.resources.token import handlers

ROUTES = [
    # What /v3/auth/projects and /v3/auth/domains tell, under the names that older clients ask by.
    Route(
        method="GET",
        path="/v3/OS-FEDERATION/projects",
        handler=handlers.own_projects,
        reads="database",
        allow=allow("get_auth_projects", ANYONE),
    ),
    Route(
        method="GET",
        path="/v3/OS-FEDERATION/domains",
        handler=handlers.own_domains,
        reads="database",
        allow=allow("get_auth_domains", ANYONE),
    ),
]
