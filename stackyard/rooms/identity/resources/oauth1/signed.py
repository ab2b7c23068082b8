"""Requests signed as RFC 5849 (OAuth 1.0a) says: oauthlib judges the signature, the database that it was not used."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from oauthlib.oauth1 import (
    SIGNATURE_HMAC_SHA1,
    SIGNATURE_HMAC_SHA256,
    SIGNATURE_HMAC_SHA512,
    RequestValidator,
    SignatureOnlyEndpoint,
)
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.credential.sealing import unseal
from stackyard.rooms.identity.resources.oauth1 import store

#: Seconds that a timestamp may be off, either way.
WINDOW = 600
_LONGEST = 64


@dataclass(frozen=True)
class Signed:
    """What the header `Authorization` of a signed request says."""

    request: Request
    params: dict[str, str]

    def said(self, name: str) -> str:
        """A parameter. Raises BadRequest when it is missing."""
        value = self.params.get(name)
        if not value or len(value) > _LONGEST:
            raise BadRequest(f"Expecting to find {name} in request header Authorization.", field=name)
        return value


def read(request: Request) -> Signed:
    """The request, if its header is OAuth's. Raises BadRequest."""
    header = request.headers.get("authorization", "")
    try:
        found = dict(parse_authorization_header(header)) if header.lower().startswith("oauth ") else {}
    except ValueError:
        found = {}
    if not found:
        raise BadRequest("The header Authorization must be OAuth's, signed.", field="Authorization")
    return Signed(request, {str(name): str(value) for name, value in found.items()})


def verify(work: Work, signed: Signed, token: Record | None = None) -> Record:
    """The consumer who signed, with the token's secret too if there is one; in a write transaction. Raises
    Unauthorized when the signature is not theirs, is of another time, or was used before."""
    consumer = store.consumer(work.tx, signed.said("oauth_consumer_key"))
    secrets = _Secrets(
        unseal(work, consumer.sealed) if consumer else None, unseal(work, token.sealed) if token else None
    )
    good, judged = SignatureOnlyEndpoint(secrets).validate_request(
        _address(signed.request), signed.request.method, "", {"Authorization": signed.request.headers["authorization"]}
    )
    if not good or judged is None or consumer is None:
        raise Unauthorized("Invalid signature, timestamp or consumer.")
    moment = int(judged.timestamp)
    if not store.take_nonce(work.tx, consumer.id, judged.nonce, moment, int(work.now.timestamp()) - 2 * WINDOW):
        raise unauthenticated()
    return consumer


def _address(request: Request) -> str:
    query = f"?{urlencode(request.raw_query)}" if request.raw_query else ""
    return f"{request.base_url}{request.path}{query}"


class _Secrets(RequestValidator):  # type: ignore[misc]  # oauthlib is not typed
    """What oauthlib asks: the secrets of one consumer and one token."""

    enforce_ssl = False
    allowed_signature_methods = (SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, SIGNATURE_HMAC_SHA512)
    timestamp_lifetime = WINDOW
    dummy_client = "nobody"

    def __init__(self, consumer: str | None, token: str | None) -> None:
        super().__init__()
        self._consumer, self._token = consumer, token

    def check_client_key(self, client_key: str) -> bool:
        """Any: it is looked up."""
        return True

    def check_nonce(self, nonce: str) -> bool:
        """What can be remembered."""
        return 0 < len(nonce) <= _LONGEST

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        """Whether the consumer was found."""
        return self._consumer is not None

    def validate_timestamp_and_nonce(self, *args: Any, **kwargs: Any) -> bool:
        """Judged once the signature is good, so that nobody can use up another's nonces."""
        return True

    def get_client_secret(self, client_key: str, request: Any) -> str:
        """The consumer's, or one that nobody has."""
        return self._consumer or self.dummy_client

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        """The token's, or one that nobody has."""
        return self._token or self.dummy_client
