"""Which paths federation has beside its objects."""

from collections.abc import Callable

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity.policies import ANYONE, allow
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.authenticate import authenticate
from stackyard.rooms.identity.resources.authentication.by_mapping import Vouched
from stackyard.rooms.identity.resources.authentication.wanted import Wanted
from stackyard.rooms.identity.resources.federation import by_ecp, vouched, websso
from stackyard.rooms.identity.resources.saml.sections import SamlProvider
from stackyard.rooms.identity.resources.token import handlers


def log_in(work: Work, request: Request) -> Reply | Callable[[], Reply]:
    """An unscoped token for a person whom a provider vouches for; or the question that a program is to put to a
    provider that speaks SAML."""
    said = Vouched(request.params["idp_id"], request.params["protocol_id"])
    if by_ecp.asks(request):
        way = vouched.way(work.tx, work.services, said.identity_provider, said.protocol)
        if isinstance(way.connection, SamlProvider):
            return by_ecp.later(work.services, way)
    attempt = Attempt(services=work.services, request=request)
    return authenticate(work.tx, attempt, Wanted(methods={"mapped": said}, scope="unscoped"), catalog=False)


_PROTOCOL = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"
_SIGN_IN = "/v3/auth/OS-FEDERATION"
_REFUSALS = (401, 403)

ROUTES = [
    *(
        Route(
            method=method,
            path=f"{_PROTOCOL}/auth",
            handler=log_in,
            token="none",
            reads="driver",
            status=201,
            answers=(200, *_REFUSALS, 429),
            doc="Log in with an identity provider's token (Authorization: Bearer) or SAML response (the body), or by a "
            "proxy that vouches. An enhanced client (PAOS) is given a question to take to the provider.",
        )
        for method in ("GET", "POST")
    ),
    *(
        Route(
            method=method,
            path=path,
            handler=handler,
            token="none",
            reads="driver",
            answers=(302, *_REFUSALS),
            doc=doc,
        )
        for method in ("GET", "POST")
        for path, handler, doc in (
            (f"{_SIGN_IN}/websso/{{protocol_id}}", websso.by_protocol, "Log in by a browser, for a dashboard."),
            (
                f"{_SIGN_IN}/identity_providers/{{idp_id}}/protocols/{{protocol_id}}/websso",
                websso.by_provider,
                "Log in by a browser at one provider, for a dashboard; the provider sends the browser back here.",
            ),
        )
    ),
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
