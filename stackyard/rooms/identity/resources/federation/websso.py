"""WebSSO: a browser goes to the provider, comes back, and is sent to the dashboard with a token.

    browser ─ …/websso?origin=<dashboard> ─► here ── 302, sealed cookie ──► provider: who are you?
    browser ◄── …/websso with a code (OpenID Connect) or a form (SAML) ──── provider
    browser ─ code or assertion, state, cookie ─► here ─ judged, mapped ─► token
    browser ◄─ a form that posts the token to <dashboard> ── here
"""

from collections.abc import Callable

from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.errors import NotFound
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity.resources.federation import store, vouched
from stackyard.rooms.identity.resources.federation.by_assertion import AssertionSignIn
from stackyard.rooms.identity.resources.federation.by_code import CodeSignIn
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.federation.sign_in import SignIn
from stackyard.rooms.identity.resources.saml.sections import SamlProvider


def by_protocol(work: Work, request: Request) -> Callable[[], Reply]:
    """WebSSO by a protocol alone: with the one enabled provider that is connected by it. Raises BadRequest when there
    are several: then the address has to name one."""
    protocol_id = request.params["protocol_id"]
    parties = vouched.parties_of(work.services)
    connected = [one for one, protocols in parties.connections.providers.items() if protocol_id in protocols]
    usable = [each for each in connected if (found := store.provider(work.tx, each)) is not None and found.enabled]
    if not usable:
        raise NotFound(f"No identity provider is connected by the protocol {protocol_id}.")
    if len(usable) > 1:
        raise invalid(
            "protocol_id",
            f"{', '.join(sorted(usable))} are connected by {protocol_id}: ask at /v3/auth/OS-FEDERATION/"
            f"identity_providers/<one of them>/protocols/{protocol_id}/websso.",
        )
    return _sign_in(work, request, usable[0], protocol_id)


def by_provider(work: Work, request: Request) -> Callable[[], Reply]:
    """WebSSO with a provider, and where it sends the browser back to."""
    return _sign_in(work, request, request.params["idp_id"], request.params["protocol_id"])


def _sign_in(work: Work, request: Request, provider_id: str, protocol_id: str) -> Callable[[], Reply]:
    way = vouched.way(work.tx, work.services, provider_id, protocol_id)
    if isinstance(way.connection, Oidc):
        by_code = CodeSignIn(work, way, request)
        return by_code.end if "state" in request.query else by_code.begin
    if isinstance(way.connection, SamlProvider):
        by_assertion = AssertionSignIn(work, way, request)
        return by_assertion.end if by_assertion.is_answer else by_assertion.begin
    return lambda: _by_proxy(SignIn(work, way, request))


def _by_proxy(sign_in: SignIn) -> Reply:
    """The proxy has dealt with the provider: hand the browser on with a token."""
    origin = sign_in.origin()
    return sign_in.handed_on(origin, vouched.assertion_of(sign_in.work.services, sign_in.way, sign_in.request))
