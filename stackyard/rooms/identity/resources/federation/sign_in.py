"""A login in a browser, whichever protocol the provider speaks: how it begins, comes back, and ends at the dashboard.

What belongs to a login travels with it, sealed in a cookie: only the browser that began it can end it, on any server.
Its state is good once. Tokens are handed to the dashboards that the operator has named, and to nobody else.
"""

import base64
import hashlib
import html
import secrets
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.errors import Forbidden, Unauthorized, Unavailable
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.secret import CloudSecret
from stackyard.kernel.work import Work
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.authenticate import issued
from stackyard.rooms.identity.resources.authentication.by_mapping import Vouched
from stackyard.rooms.identity.resources.authentication.wanted import Wanted
from stackyard.rooms.identity.resources.federation import store, vouched
from stackyard.rooms.identity.resources.mapping.engine import Assertion
from stackyard.rooms.identity.resources.saml import addresses
from stackyard.rooms.identity.resources.token.proof import Proof

#: Seconds that somebody may take to log in at the provider.
PATIENCE = 600
_COOKIE = "stackyard-websso"
_NO_STORE = {"Cache-Control": "no-store"}


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A login under way: which way it goes, where it ends, and what only its two ends know."""

    provider_id: str
    protocol_id: str
    origin: str
    state: str
    nonce: str
    verifier: str
    expires: int


@dataclass(frozen=True)
class SignIn:
    """One request of a login; what its methods do is done with no transaction open."""

    work: Work
    way: vouched.Way
    request: Request

    #: Whether the provider's page sends the browser back by a form. A cookie goes with a form from elsewhere only when
    #: it says that it may, which browsers take over TLS alone; without, some let it pass for two minutes.
    by_form: ClassVar[bool] = False

    def new(self) -> Login:
        """A login that begins now. Raises Forbidden for a dashboard that the operator has not named."""
        return Login(
            provider_id=self.way.provider.id, protocol_id=self.way.protocol.id, origin=self.origin(),
            state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
            expires=int(self.work.now.timestamp()) + PATIENCE,
        )  # fmt: skip

    def sent(self, login: Login, url: str) -> Reply:
        """The browser goes to the provider, with the login in its cookie."""
        sealed = self._secret().seal(msgspec.json.encode(login))
        return Reply(status=302, headers={"Location": url, **self._cookie(login.state, sealed, PATIENCE), **_NO_STORE})

    def returned(self, state: str) -> Login:
        """The login of that state that this request ends: of the same browser and way, in time, and once. Raises
        Unauthorized."""
        try:
            sealed = _cookie_of(self.request, self._name(state))
            login = msgspec.json.decode(self._secret().open(sealed), type=Login)
        except (ValueError, msgspec.DecodeError, msgspec.ValidationError):
            raise refused("it was not begun by this browser, or is too old") from None
        here = (self.way.provider.id, self.way.protocol.id)
        if login.state != state or (login.provider_id, login.protocol_id) != here:
            raise refused("it was begun otherwise")
        now = int(self.work.now.timestamp())
        if login.expires <= now:
            raise refused("it has taken too long")
        with self.work.database.write() as tx:
            if not store.use_state(tx, _hashed(state), login.expires, now):
                raise refused("it has ended already")
        return login

    def handed_on(self, origin: str, assertion: Assertion, state: str = "") -> Reply:
        """The browser goes on to the dashboard, with a token for whom this is asserted of. Raises as `vouched.admit`
        does."""
        proof = vouched.admit(self.work.services, self.way, assertion, self.work.request_id)
        answer = self._answer(proof)
        if answer.status != 201:
            return answer
        page, policy = _form(origin, answer.headers["X-Subject-Token"])
        gone = self._cookie(state, "", 0) if state else {}
        headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY", **gone, **_NO_STORE}
        return Reply(data=page.encode(), content_type="text/html; charset=utf-8", headers=headers)

    def origin(self) -> str:
        """The dashboard that the request names, as the operator writes it: letters may be small or capital. Raises
        BadRequest for none, Forbidden for one that is not trusted."""
        origin = str(self.request.query.get("origin", ""))
        if not origin:
            raise invalid("origin", "the dashboard that the token is for must be named.")
        named = vouched.parties_of(self.work.services).connections.trusted_dashboards
        trusted = {each.casefold(): each for each in named}.get(origin.casefold())
        if trusted is None:
            raise Forbidden(
                f"{origin[:255]} is not a trusted dashboard host.",
                remedy="The operator names them in federation.yaml, under trusted_dashboards.",
            )
        return trusted

    def back(self) -> str:
        """Where the provider sends the browser back to."""
        return addresses.of_browsers(self.work.base_url, self.way.provider.id, self.way.protocol.id)

    def _answer(self, proof: Proof) -> Reply:
        """What the same person would be answered by a program: a token, unless they must prove more."""
        services = self.work.services
        attempt = Attempt(services=services, request=self.request)
        said = Vouched(self.way.provider.id, self.way.protocol.id)
        with self.work.database.read() as tx:
            return issued(tx, attempt, Wanted(methods={"mapped": said}, scope="unscoped"), [proof], False)

    def _secret(self) -> CloudSecret:
        found = CloudSecret.read(self.work.services.settings.state_dir)
        if found is None:
            raise Unavailable("This server has no secret to seal logins with.")
        return found

    @property
    def _secure(self) -> bool:
        return self.work.base_url.startswith("https:")

    def _name(self, state: str) -> str:
        """Of a cookie of its own for each login, so that two windows do not disturb one another. Over HTTPS it is one
        that browsers take from this host alone: another host of the domain cannot begin a login in its visitors' stead.
        """
        return f"{'__Host-' if self._secure else ''}{_COOKIE}-{_hashed(state)[:16]}"

    def _cookie(self, state: str, value: str, seconds: int) -> dict[str, str]:
        secure = self._secure
        goes = ("; SameSite=None" if secure else "") if self.by_form else "; SameSite=Lax"
        kept = f"Path=/; Max-Age={seconds}; HttpOnly{goes}{'; Secure' if secure else ''}"
        return {"Set-Cookie": f"{self._name(state)}={value}; {kept}"}


def _cookie_of(request: Request, name: str) -> str:
    """The value of a cookie, or nothing. Others on the same host put what they like beside it, so each is read for
    itself (the standard library reads none after one that it does not know)."""
    pairs = (each.strip().partition("=") for each in request.headers.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def _hashed(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def refused(why: str) -> Unauthorized:
    """401: the login does not go on."""
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
