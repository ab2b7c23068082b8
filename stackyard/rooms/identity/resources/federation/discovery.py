"""What a provider publishes about itself: its description and its keys, fetched when they are needed and kept a while.

Source: OpenID Connect Discovery 1.0; RFC 7517 (JSON Web Key Sets). Keys rotate: a key that is not known is looked for
once more, though not more often than every few seconds, so that tokens with made-up keys cannot make us a nuisance.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from stackyard.kernel.errors import Unauthorized, Unavailable
from stackyard.kernel.work import Clock
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.saml.sections import check_url

_KEPT = timedelta(hours=1)
_PAUSE = timedelta(seconds=5)
#: Seconds to connect, and to wait for each piece of an answer.
_PATIENCE = (5, 15)
_LARGEST = 1 << 20


class Published:
    """One provider's publications."""

    def __init__(self, connection: Oidc, clock: Clock) -> None:
        self.connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._description: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: tuple[datetime, Mapping[str, Any]] | None = None

    def endpoint(self, name: str) -> str:
        """An address of the provider: the operator's word, else its own. Empty when it has none. Raises Unavailable for
        one of its own that leads through the open: this cloud's secret would go there."""
        told: str = getattr(self.connection, name)
        if told:
            return told
        found = str(self._described().get(name, ""))
        try:
            check_url(name, found)
        except ValueError as error:
            said = f"The identity provider {self.connection.issuer} publishes an address that is not used: {error}."
            raise Unavailable(said) from error
        return found

    def key(self, key_id: str | None, algorithm: str) -> Any:
        """The public key of that id, for signatures of that kind; without an id, the only key there is. Raises
        Unauthorized for one that is not published, Unavailable when the provider does not answer."""
        import jwt

        for renew in (False, True):
            found = self._published_keys(renew)
            chosen = next(iter(found.values())) if key_id is None and len(found) == 1 else found.get(str(key_id))
            if chosen is not None and chosen.get("alg", algorithm) == algorithm:
                with suppress(jwt.PyJWTError):
                    return jwt.PyJWK(chosen, algorithm=algorithm)
        raise Unauthorized("The token was refused: it is signed with a key that its issuer does not publish.")

    def key_count(self) -> int:
        """How many keys the provider publishes for signatures."""
        return len(self._published_keys(False))

    def _described(self) -> Mapping[str, Any]:
        with self._lock:
            known, now = self._description, self._clock.now()
            if known is None or now - known[0] > _KEPT:
                issuer = self.connection.issuer.rstrip("/")
                found = get(self.connection, f"{issuer}/.well-known/openid-configuration")
                if found.get("issuer") != self.connection.issuer:
                    raise Unavailable(
                        f"The identity provider {self.connection.issuer} calls itself {found.get('issuer')}."
                    )
                known = self._description = now, found
            return known[1]

    def _published_keys(self, renew: bool) -> Mapping[str, Any]:
        uri = self.endpoint("jwks_uri")
        with self._lock:
            known, now = self._keys, self._clock.now()
            age = now - known[0] if known else _KEPT
            if known is None or age >= _KEPT or (renew and age >= _PAUSE):
                known = self._keys = now, _keys(get(self.connection, uri))
            return known[1]


def _keys(published: Mapping[str, Any]) -> dict[str, Any]:
    """The public keys for signatures by their id. What is of a kind that we cannot use is passed over."""
    keys = published.get("keys")
    usable = [
        each
        for each in (keys if isinstance(keys, list) else ())
        if isinstance(each, dict) and each.get("use", "sig") == "sig" and each.get("kty") in ("RSA", "EC", "OKP")
    ]
    return {str(each.get("kid", number)): each for number, each in enumerate(usable)}


# -- asking a provider --


def get(connection: Oidc, url: str, token: str = "") -> dict[str, Any]:
    """The JSON of a GET, with a bearer token if given. Raises Unavailable, and Unauthorized when that is refused."""
    return _asked(connection, "GET", url, headers={"Authorization": f"Bearer {token}"} if token else {})


def post(connection: Oidc, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of a form posted as this client. Raises Unavailable, and Unauthorized when that is refused."""
    secret = connection.secret
    if secret:
        return _asked(connection, "POST", url, data=dict(form), auth=(connection.client_id, secret))
    return _asked(connection, "POST", url, data={**form, "client_id": connection.client_id})


def _asked(connection: Oidc, method: str, url: str, **sent: Any) -> dict[str, Any]:
    import requests

    if not url:
        raise Unavailable(f"The identity provider {connection.issuer} does not publish the address that is needed.")
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, url, timeout=_PATIENCE, allow_redirects=False, stream=True,
                verify=connection.ca_file or True, **sent,
            )  # fmt: skip
            content = answer.raw.read(_LARGEST, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise Unavailable(
            f"The identity provider {connection.issuer} does not answer at {url}: {type(error).__name__}.",
            remedy="Try again later.",
        ) from error
    return _answered(connection, url, answer.status_code, content)


def _answered(connection: Oidc, url: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if 400 <= status < 500:
        why = found.get("error", status) if isinstance(found, dict) else status
        if why in ("invalid_client", "unauthorized_client"):
            raise Unavailable(f"The identity provider {connection.issuer} does not take this cloud's client: {why}.")
        raise Unauthorized(f"The identity provider {connection.issuer} refused it: {why}.")
    if status != 200 or not isinstance(found, dict):
        raise Unavailable(f"The identity provider {connection.issuer} answers with {status} and no JSON at {url}.")
    return found
