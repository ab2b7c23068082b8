"""The client credentials grant: the client is an application credential and proves that by its secret, or it is a user
and does so by a certificate."""

import base64
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from stackyard.kernel.errors import ApiError
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.application_credential import store
from stackyard.rooms.identity.resources.authentication import by_application_credential, factors
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.methods import CERTIFICATE
from stackyard.rooms.identity.resources.oauth2 import by_certificate
from stackyard.rooms.identity.resources.token.body import told
from stackyard.rooms.identity.resources.token.proof import Proof, together
from stackyard.rooms.identity.resources.token.tokens import Token
from stackyard.rooms.identity.resources.user import store as users

_SECRET = "application_credential"
#: RFC 6749, 5.1: nothing that holds a token may be kept by anybody in between.
_NEVER_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refusal(Exception):
    """An error in OAuth's words."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description

    def reply(self, work: Work) -> Reply:
        """It as an answer."""
        told = {"WWW-Authenticate": f'Keystone uri="{work.base_url}/identity"'} if self.status == 401 else {}
        body = {"error": self.error, "error_description": self.description}
        return Reply(status=self.status, body=body, headers={**_NEVER_KEPT, **told})


def token(work: Work, request: Request) -> Reply | Callable[[], Reply]:
    """An access token: a token of this cloud, for the application credential's project or the user's default one."""
    attempt = Attempt(services=work.services, request=request)
    try:
        prove = _proving(work, attempt)
    except Refusal as refusal:
        return refusal.reply(work)
    return lambda: _issued(work, attempt, prove)


def _proving(work: Work, attempt: Attempt) -> Callable[[], Proof]:
    """What proves who the client is, with no transaction open. A client that sends a secret means it, and not the
    certificate that it may have connected with."""
    form, request = _granted(attempt.request), attempt.request
    methods = work.services.settings.oauth2.oauth2_authn_methods
    client, secret = _basic(request.headers.get("authorization", "")) or (
        form.get("client_id", ""),
        form.get("client_secret", ""),
    )
    certificate = request.certificate
    if client and secret and "client_secret_basic" in methods:
        return _by_secret(work, attempt, client, secret)
    if client and not secret and certificate and "tls_client_auth" in methods:
        return lambda: together([CERTIFICATE], [by_certificate.verified(attempt, client, certificate)])
    raise _failed()


def _by_secret(work: Work, attempt: Attempt, client: str, secret: str) -> Callable[[], Proof]:
    credential = store.by_id(work.tx, client)
    counted = (_SECRET, client)
    return lambda: together([_SECRET], [by_application_credential.verified(attempt, counted, credential, secret)])


def _granted(request: Request) -> dict[str, str]:
    """The form, when it asks for a grant that there is."""
    form = _form(request)
    grant = form.get("grant_type")
    if grant is None:
        raise Refusal(400, "invalid_request", "The parameter grant_type is required.")
    if grant != "client_credentials":
        raise Refusal(400, "unsupported_grant_type", f"The parameter grant_type {grant[:80]} is not supported.")
    return form


def _form(request: Request) -> dict[str, str]:
    raw = request.body
    if not isinstance(raw, bytes) or request.content_type != "application/x-www-form-urlencoded":
        raise Refusal(400, "invalid_request", "The body must be application/x-www-form-urlencoded.")
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=32))
    except ValueError:
        raise Refusal(400, "invalid_request", "The body is no form.") from None


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise _failed() from None
    return unquote_plus(client), unquote_plus(secret)


def _failed() -> Refusal:
    return Refusal(401, "invalid_client", "Client authentication failed.")


def _issued(work: Work, attempt: Attempt, prove: Callable[[], Proof]) -> Reply:
    try:
        text, made = _token(attempt, prove())
    except ApiError as error:
        if error.status != 401:
            raise
        return _failed().reply(work)
    remaining = made.claims.expires - int(work.now.timestamp())
    answer = {"access_token": text, "expires_in": remaining, "token_type": "Bearer"}
    return Reply(body=told(made), data=msgspec.json.encode(answer), headers=dict(_NEVER_KEPT))


def _token(attempt: Attempt, proof: Proof) -> tuple[str, Token]:
    with attempt.database.read() as tx:
        user = users.by_id(tx, proof.user_id)
        if user is None or proof.scope is None or factors.unmet(user, proof.methods):
            raise unauthenticated()
        return attempt.tokens.issue(tx, proof, proof.scope)
