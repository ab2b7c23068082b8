"""WebSSO: a browser goes to the provider, comes back with a code, and is sent to the dashboard with a token.

    browser ─ …/websso?origin=<dashboard> ─► here ── 302, sealed cookie ──► provider: who are you?
    browser ◄──────────── 302 …/websso?code=…&state=… ───────────────────── provider
    browser ─ code, state, cookie ─► here ─ code + verifier ─► provider ─► ID token ─► mapping ─► token
    browser ◄─ a form that posts the token to <dashboard> ── here

What belongs to a login travels with it, sealed in a cookie: only the browser that began it can end it, on any server.
Its state is good once. Tokens are handed to the dashboards that the operator has named, and to nobody else.
"""

import base64
import hashlib
import html
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

import msgspec

from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.errors import Forbidden, NotFound, Unauthorized, Unavailable
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.secret import CloudSecret
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.authenticate import issued
from stackyard.rooms.identity.resources.authentication.by_mapping import Vouched
from stackyard.rooms.identity.resources.authentication.wanted import Wanted
from stackyard.rooms.identity.resources.federation import store, vouched
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.mapping.engine import Assertion
from stackyard.rooms.identity.resources.saml.sections import SamlProvider
from stackyard.rooms.identity.resources.token.proof import Proof

#: Seconds that somebody may take to log in at the provider.
PATIENCE = 600
_COOKIE = "stackyard-websso"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A login under way: which way it goes, where it ends, and what only its two ends know."""

    provider_id: str
    protocol_id: str
    origin: str
    state: str
    nonce: str
    verifier: str
    expires: int


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
    attempt = _Attempt(work, vouched.way(work.tx, work.services, provider_id, protocol_id), request)
    if isinstance(attempt.way.connection, Oidc):
        return attempt.end if "state" in request.query else attempt.begin
    if isinstance(attempt.way.connection, SamlProvider):
        raise NotFound(
            f"The identity provider {provider_id} is connected for programs: its assertions are not asked for here.",
            remedy="Use keystoneauth's plugin for another cloud (Keystone2Keystone), or any enhanced client (ECP).",
        )
    return attempt.by_proxy


@dataclass(frozen=True)
class _Attempt:
    """One request of a login; what its methods do is done with no transaction open."""

    work: Work
    way: vouched.Way
    request: Request

    def begin(self) -> Reply:
        """Send the browser to the provider."""
        origin, now = self._origin(), int(self.work.now.timestamp())
        login = Login(
            provider_id=self.way.provider.id, protocol_id=self.way.protocol.id, origin=origin,
            state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
            expires=now + PATIENCE,
        )  # fmt: skip
        party = vouched.parties_of(self.work.services).party(self._connection())
        url = party.authorization_url(self._redirect_uri(), login.state, login.nonce, login.verifier)
        sealed = self._secret().seal(msgspec.json.encode(login))
        return Reply(status=302, headers={"Location": url, **self._cookie(login.state, sealed, PATIENCE), **_NO_STORE})

    def end(self) -> Reply:
        """Take the browser back and hand it on with a token."""
        login = self._login()
        query = self.request.query
        with self.work.database.write() as tx:
            now = int(self.work.now.timestamp())
            if not store.use_state(tx, _hashed(login.state), login.expires, now):
                raise _refused("it has ended already")
        if "code" not in query:
            raise _refused(f"the identity provider says {str(query.get('error', 'nothing'))[:200]}")
        party = vouched.parties_of(self.work.services).party(self._connection())
        claims = party.exchanged(query["code"], self._redirect_uri(), login.nonce, login.verifier)
        return self._handed_on(login.origin, vouched.assertion_from(self.way, claims), login.state)

    def by_proxy(self) -> Reply:
        """The proxy has dealt with the provider: hand the browser on with a token."""
        origin = self._origin()
        return self._handed_on(origin, vouched.assertion_of(self.work.services, self.way, self.request), "")

    def _handed_on(self, origin: str, assertion: Assertion, state: str) -> Reply:
        proof = vouched.admit(self.work.services, self.way, assertion, self.work.request_id)
        answer = self._answer(proof)
        if answer.status != 201:
            return answer
        page, policy = _form(origin, answer.headers["X-Subject-Token"])
        gone = self._cookie(state, "", 0) if state else {}
        headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY", **gone, **_NO_STORE}
        return Reply(data=page.encode(), content_type="text/html; charset=utf-8", headers=headers)

    def _answer(self, proof: Proof) -> Reply:
        """What the same person would be answered by a program: a token, unless they must prove more."""
        services = self.work.services
        attempt = Attempt(services=services, request=self.request)
        said = Vouched(self.way.provider.id, self.way.protocol.id)
        with self.work.database.read() as tx:
            return issued(tx, attempt, Wanted(methods={"mapped": said}, scope="unscoped"), [proof], False)

    def _login(self) -> Login:
        """The login that this request ends: of the same browser, way and state, and in time."""
        state = self.request.query["state"]
        try:
            cookies = SimpleCookie(self.request.headers.get("cookie", ""))
            login = msgspec.json.decode(self._secret().open(cookies[_name(state)].value), type=Login)
        except (CookieError, KeyError, ValueError, msgspec.DecodeError, msgspec.ValidationError):
            raise _refused("it was not begun by this browser, or is too old") from None
        here = (self.way.provider.id, self.way.protocol.id)
        if login.state != state or (login.provider_id, login.protocol_id) != here:
            raise _refused("it was begun otherwise")
        if login.expires <= self.work.now.timestamp():
            raise _refused("it has taken too long")
        return login

    def _origin(self) -> str:
        origin = str(self.request.query.get("origin", ""))
        if not origin:
            raise invalid("origin", "the dashboard that the token is for must be named.")
        if origin not in vouched.parties_of(self.work.services).connections.trusted_dashboards:
            raise Forbidden(
                f"{origin[:255]} is not a trusted dashboard host.",
                remedy="The operator names them in federation.yaml, under trusted_dashboards.",
            )
        return origin

    def _connection(self) -> Oidc:
        assert isinstance(self.way.connection, Oidc)
        return self.way.connection

    def _redirect_uri(self) -> str:
        path = f"{self.way.provider.id}/protocols/{self.way.protocol.id}/websso"
        return render.url(self.work, f"auth/OS-FEDERATION/identity_providers/{path}")

    def _secret(self) -> CloudSecret:
        found = CloudSecret.read(self.work.services.settings.state_dir)
        if found is None:
            raise Unavailable("This server has no secret to seal logins with.")
        return found

    def _cookie(self, state: str, value: str, seconds: int) -> dict[str, str]:
        secure = "; Secure" if self.work.base_url.startswith("https:") else ""
        return {"Set-Cookie": f"{_name(state)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"}


_NO_STORE = {"Cache-Control": "no-store"}


def _name(state: str) -> str:
    """Of a cookie of its own for each login, so that two windows do not disturb one another."""
    return f"{_COOKIE}-{_hashed(state)[:16]}"


def _hashed(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _refused(why: str) -> Unauthorized:
    return Unauthorized(f"The login is refused: {why}.", remedy="Begin again at the dashboard.")


_SCRIPT = "document.forms[0].submit()"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Logging in</title></head>
<body>
<form action="{origin}" method="post">
<input type="hidden" name="token" value="{token}">
<noscript><input type="submit" value="Go on to the dashboard"></noscript>
</form>
<script>{script}</script>
</body>
</html>
"""


def _form(origin: str, token: str) -> tuple[str, str]:
    """A page that posts the token to the dashboard by itself, and the policy that lets it do nothing else."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    page = _PAGE.format(origin=html.escape(origin), token=html.escape(token), script=_SCRIPT)
    return page, f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
