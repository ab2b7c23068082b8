"""The relying party: tokens of an OpenID Connect provider judged, codes exchanged for them.

Source: OpenID Connect Core 1.0 (ID tokens: section 3.1.3.7), RFC 9068 (JWT access tokens), RFC 7662 (introspection),
RFC 7636 (PKCE). A token counts when the provider has signed it (or says on being asked that it is active), it is for
this cloud and for now. Why one is refused is told: its bearer can read it too.
"""

import base64
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from stackyard.kernel.errors import Unauthorized, Unavailable
from stackyard.kernel.work import Clock
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.federation.discovery import Published, get, post

Claims = Mapping[str, Any]
#: Logins that may wait for one provider at once.
AT_ONCE = 8


class RelyingParty:
    """This cloud as a client of one provider. Every method may ask the provider: never call it in a transaction."""

    def __init__(self, connection: Oidc, clock: Clock) -> None:
        self.connection = connection
        self._published = Published(connection, clock)
        self._clock = clock
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def described(self) -> str:
        """A sentence about the provider, which is asked for what it publishes. Raises Unavailable."""
        names = ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "userinfo_endpoint")
        there = [each.removesuffix("_endpoint") for each in names if self._published.endpoint(each)]
        return f"{self.connection.issuer}: {self._published.key_count()} keys; {', '.join(there)}"

    def bearer(self, token: str) -> Claims:
        """The claims of an access or ID token that somebody brings. Raises Unauthorized."""
        with self._place():
            claims = self._signed(token) if _is_jwt(token) else self._introspected(token)
            self._check_times(claims)
            wanted = set(self.connection.audiences or (self.connection.client_id,))
            if not wanted & _audiences(claims):
                raise _refused(f"it is for {_said(_audiences(claims))}, not for {_said(wanted)}")
            return self._with_userinfo(claims, token)

    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser logs in, to come back to `redirect_uri` with a code."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code", "client_id": self.connection.client_id, "redirect_uri": redirect_uri,
            "scope": " ".join(self.connection.scopes), "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        with self._place():
            endpoint = self._published.endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def exchanged(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Claims:
        """The claims of the ID token that a code is good for. Raises Unauthorized."""
        with self._place():
            return self._exchanged(code, redirect_uri, nonce, verifier)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for logins at this provider. A provider that does not answer must not hold up every thread
        of the server, and with it who logs in otherwise: who finds none is told so. Raises Unavailable."""
        if not self._places.acquire(blocking=False):
            raise Unavailable(
                f"{AT_ONCE} logins wait for the identity provider {self.connection.issuer}, as many as may at once.",
                remedy="Try again in a moment.",
                headers={"Retry-After": "1"},
            )
        try:
            yield
        finally:
            self._places.release()

    def _exchanged(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Claims:
        form = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        form["grant_type"] = "authorization_code"
        answer = post(self.connection, self._published.endpoint("token_endpoint"), form)
        claims = self._signed(str(answer.get("id_token", "")))
        self._check_times(claims)
        if self.connection.client_id not in _audiences(claims):
            raise _refused(f"the ID token is for {_said(_audiences(claims))}, not for {self.connection.client_id}")
        if claims.get("azp", self.connection.client_id) != self.connection.client_id:
            raise _refused(f"the ID token was made for the client {claims['azp']}")
        if claims.get("nonce") != nonce:
            raise _refused("the ID token is not the answer to this login (nonce)")
        return self._with_userinfo(claims, str(answer.get("access_token", "")))

    def _signed(self, token: str) -> Claims:
        """The claims of a JWT whose signature and issuer are right."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise _refused("it is no JSON Web Token") from error
        if header.get("alg") not in self.connection.algorithms:
            raise _refused(f"its signature is of the kind {header.get('alg')}, which is not taken")
        key = self._published.key(header.get("kid"), header["alg"])
        # Times are judged by the cloud's own clock, the audience by who asks.
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: Claims = jwt.decode(token, key, algorithms=[header["alg"]], options=options)  # type: ignore[arg-type]
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise _refused("its signature does not hold") from error
        if claims.get("iss") != self.connection.issuer:
            raise _refused(f"it was issued by {claims.get('iss')}, not by {self.connection.issuer}")
        if "events" in claims or "exp" not in claims or "sub" not in claims:
            raise _refused("it tells of something else than who somebody is, and until when")
        return claims

    def _introspected(self, token: str) -> Claims:
        """What the provider says about a token that only it can read."""
        endpoint = self._published.endpoint("introspection_endpoint")
        if not endpoint:
            raise _refused("it is no JSON Web Token, and its provider does not say what others mean")
        claims = post(self.connection, endpoint, {"token": token, "token_type_hint": "access_token"})
        if claims.get("active") is not True:
            raise _refused("its provider says that it is not active")
        if claims.get("iss", self.connection.issuer) != self.connection.issuer:
            raise _refused(f"it was issued by {claims['iss']}, not by {self.connection.issuer}")
        return {"iss": self.connection.issuer, **claims}

    def _check_times(self, claims: Claims) -> None:
        now, leeway = self._clock.now().timestamp(), self.connection.leeway
        expires, begins = (_moment(claims, name) for name in ("exp", "nbf"))
        if expires is not None and expires + leeway <= now:
            raise _refused("it has expired")
        if begins is not None and begins - leeway > now:
            raise _refused("it is not good yet")

    def _with_userinfo(self, claims: Claims, access_token: str) -> Claims:
        if not self.connection.userinfo or not access_token:
            return claims
        told = get(self.connection, self._published.endpoint("userinfo_endpoint"), access_token)
        if told.get("sub") != claims.get("sub"):
            raise _refused("its provider tells of somebody else")
        return {**told, **claims}


def _is_jwt(token: str) -> bool:
    return token.count(".") == 2


def _moment(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise _refused(f"its '{name}' is no moment")


def _audiences(claims: Claims) -> set[str]:
    """For whom a token is; of one that does not say, for the client that it was made for."""
    named = claims.get("aud") or claims.get("client_id")
    if isinstance(named, list):
        return {str(each) for each in named}
    return {named} if isinstance(named, str) else set()


def _said(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"


def _refused(why: str) -> Unauthorized:
    return Unauthorized(f"The token was refused: {why}.", remedy="Get a new one from the identity provider.")
