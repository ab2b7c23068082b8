"""A real OpenID Connect provider on the loopback: `oidc_provider_mock`, which serves its description, keys, login page,
codes, ID tokens and userinfo; and beside it, of Authlib's parts, the grants and introspection that it leaves out."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import jwt
import oidc_provider_mock
import pytest
import werkzeug.serving
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import rfc6749, rfc7662, rfc8628
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET, PASSWORD = "stackyard", "a-secret-of-the-client", "a-long-password"
JANE = {"email": "jane@acme.test", "name": "Jane Doe", "groups": ["dev", "ops"]}


class Client(rfc6749.ClientMixin):
    """The only client there is."""

    def get_client_id(self) -> str:
        return CLIENT

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return True

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type != "refresh_token"


class PasswordGrant(rfc6749.ResourceOwnerPasswordCredentialsGrant):
    def authenticate_user(self, username: str, password: str) -> str | None:
        return username if password == PASSWORD else None


class DeviceGrant(rfc8628.DeviceCodeGrant):
    def query_device_credential(self, device_code: str) -> Any:
        return flask.current_app.config["DEVICES"].get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        return ("jane", True) if user_code in flask.current_app.config["APPROVED"] else None

    def should_slow_down(self, credential: Any) -> bool:
        return False


class DeviceEndpoint(rfc8628.DeviceAuthorizationEndpoint):
    INTERVAL = 1

    def get_verification_uri(self) -> str:
        return flask.request.host_url + "approve"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        made = rfc8628.DeviceCredentialDict(client_id=client_id, scope=scope, expires_at=time.time() + 600, **data)
        flask.current_app.config["DEVICES"][data["device_code"]] = made


class Known(dict[str, Any]):
    """A token that the provider tells of."""

    def is_expired(self) -> bool:
        return bool(self["exp"] < time.time())

    def is_revoked(self) -> bool:
        return False


class Introspection(rfc7662.IntrospectionEndpoint):
    def query_token(self, token_string: str, token_type_hint: str) -> Any:
        return flask.current_app.config["TOKENS"].get(token_string)

    def check_permission(self, token: Any, client: Any, request: Any) -> bool:
        return True

    def introspect_token(self, token: Any) -> Any:
        return token


@dataclass
class Provider:
    """The provider under test: what it was asked, and its power to sign whatever a test wants."""

    url: str
    app: flask.Flask
    key: rsa.RSAPrivateKey
    key_id: str
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def token_endpoint(self) -> str:
        """Where passwords, the client's own credentials and device codes are exchanged."""
        return f"{self.url}/more/token"

    def token(self, key: Any = None, key_id: str | None = None, **claims: Any) -> str:
        """A token of this provider for jane, but for what the test would have otherwise."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": "jane", "aud": CLIENT, "iat": now, "exp": now + 300, **JANE}
        wanted = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        headers = {"kid": self.key_id if key_id is None else key_id}
        return jwt.encode(wanted, key or self.key, algorithm="RS256", headers=headers)

    def opaque(self, **claims: Any) -> str:
        """A token that tells nothing by itself; asked, the provider tells this of it."""
        text = secrets.token_urlsafe(20)
        usual = {"active": True, "sub": "jane", "client_id": CLIENT, "exp": int(time.time()) + 300, **JANE}
        self.app.config["TOKENS"][text] = Known({**usual, **claims})
        return text


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider, for as long as the block lasts."""
    people = [oidc_provider_mock.User(sub="jane", claims=JANE), oidc_provider_mock.User(sub="joe", claims=JANE)]
    app = oidc_provider_mock.app(require_nonce=True, user_claims=people)
    app.config.update(DEVICES={}, APPROVED=set(), TOKENS={})
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    made: list[Provider] = []
    _add_grants(app, made)
    with app.test_request_context(url):
        app.preprocess_request()
        signing = flask.g.oidc_provider_mock_storage.jwk
    key_id = str(app.test_client().get("/jwks", base_url=url).json["keys"][0].get("kid", 0))
    made.append(Provider(url, app, signing.get_private_key(), key_id))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made[0]
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@pytest.fixture(scope="module")
def acme() -> Iterator[Provider]:
    """The provider for a file of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        with provider() as running:
            yield running


def _add_grants(app: flask.Flask, made: list[Provider]) -> None:
    server = AuthorizationServer(app, query_client=lambda client_id: Client() if client_id == CLIENT else None,
                                 save_token=lambda token, request: None)  # fmt: skip
    generator = BearerTokenGenerator(lambda client, grant_type, user, scope: made[0].token(sub=user or CLIENT))
    server.register_token_generator("default", generator)
    for grant in (PasswordGrant, rfc6749.ClientCredentialsGrant, DeviceGrant):
        server.register_grant(grant)
    for endpoint in (DeviceEndpoint, Introspection):
        server.register_endpoint(endpoint)

    @app.before_request
    def note() -> None:
        made[0].asked.append({"path": flask.request.path, **flask.request.values}) if made else None

    app.add_url_rule("/more/token", "more_token", server.create_token_response, methods=["POST"])
    for path, kind in (("device", DeviceEndpoint), ("introspect", Introspection)):
        app.add_url_rule(
            f"/more/{path}", f"more_{path}", methods=["POST"],
            view_func=lambda kind=kind: server.create_endpoint_response(kind.ENDPOINT_NAME),
        )  # fmt: skip

    @app.get("/approve")
    def approve() -> str:
        flask.current_app.config["APPROVED"].add(flask.request.args["user_code"])
        return "approved"
