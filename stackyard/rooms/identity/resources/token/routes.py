"""Which paths below /v3/auth are answered, and by what."""

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.rooms.identity.policies import ADMIN, ANYONE, EVERY_SCOPE, SYSTEM_READER, allow, either
from stackyard.rooms.identity.resources.token import handlers

_SUBJECT = "rule:token_subject"

ROUTES = [
    Route(method="GET", path="/v3/auth/tokens", handler=handlers.show, reads="database"),
    Route(method="DELETE", path="/v3/auth/tokens", handler=handlers.revoke, status=204),
    Route(
        method="GET",
        path="/v3/auth/tokens/OS-PKI/revoked",
        handler=handlers.revoked,
        reads="database",
        status=410,
        allow=allow("revocation_list", "rule:service_or_admin"),
    ),
    Route(
        method="GET",
        path="/v3/auth/projects",
        handler=handlers.own_projects,
        reads="database",
        allow=allow("get_auth_projects", ANYONE),
    ),
    Route(
        method="GET",
        path="/v3/auth/domains",
        handler=handlers.own_domains,
        reads="database",
        allow=allow("get_auth_domains", ANYONE),
    ),
    Route(
        method="GET",
        path="/v3/auth/system",
        handler=handlers.own_system,
        reads="database",
        allow=allow("get_auth_system", ANYONE),
    ),
]

#: Asked for by the handlers, with the token in question as target; the last two by nobody.
RULES: list[Allow] = [
    allow("check_token", either(ADMIN, SYSTEM_READER, _SUBJECT), EVERY_SCOPE),
    allow("validate_token", either(ADMIN, SYSTEM_READER, "rule:service_role", _SUBJECT), EVERY_SCOPE),
    allow("revoke_token", either(ADMIN, _SUBJECT), EVERY_SCOPE),
    # Keystone declares these, and asks for get_auth_projects and get_auth_domains instead; files written for it may
    # name them.
    allow("list_projects_for_user", ANYONE),
    allow("list_domains_for_user", ANYONE),
]
