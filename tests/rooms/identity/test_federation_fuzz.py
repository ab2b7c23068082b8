"""Whatever somebody brings, and whatever a provider publishes or answers: a refusal with a reason, never our error."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms.identity.cloud import Cloud
from tests.rooms.identity.oidc_provider import Provider, acme
from tests.rooms.identity.test_federated_login import AUTH, ready

pytestmark = [pytest.mark.thorough, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

__all__ = ["acme", "ready"]

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
_CLAIMS = ["exp", "nbf", "iat", "aud", "iss", "azp", "sub", "email", "groups", "events", "active", "client_id"]
#: The cloud is the same for all examples of a test: what one leaves behind does no harm to the next.
_one_cloud = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def status(cloud: Cloud, token: str) -> int:
    cloud.forgive()
    return int(cloud.ask("POST", AUTH, Authorization=f"Bearer {token}").status_code)


@_one_cloud
@given(claims=st.dictionaries(st.sampled_from(_CLAIMS), _JSON, max_size=3))
def test_any_claims(cloud: Cloud, acme: Provider, ready: dict[str, Any], claims: dict[str, Any]) -> None:
    try:
        token = acme.token(**claims)
    except TypeError:  # PyJWT does not write an issuer that is no text
        return
    assert status(cloud, token) in (201, 400, 401)


@_one_cloud
@given(
    header=_JSON
    | st.fixed_dictionaries(
        {"alg": _JSON | st.sampled_from(["RS256", "ES256", "EdDSA"])},
        optional={"kid": _JSON, "crit": _JSON, "b64": _JSON},
    ),
    payload=_JSON,
    signature=st.binary(max_size=4),
)
def test_any_three_parts(
    cloud: Cloud, acme: Provider, ready: dict[str, Any], header: Any, payload: Any, signature: bytes
) -> None:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    token = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)
    assert status(cloud, token) == 401


@_one_cloud
@given(answer=_JSON | st.dictionaries(st.sampled_from(_CLAIMS), _JSON, max_size=4))
def test_any_answer_about_an_opaque_token(cloud: Cloud, acme: Provider, ready: dict[str, Any], answer: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(acme.app.view_functions, "more_introspect", lambda: json.dumps(answer))
        assert status(cloud, "opaque") in (201, 400, 401, 503)


@_one_cloud
@given(
    keys=_JSON
    | st.lists(
        st.fixed_dictionaries(
            {"kty": st.sampled_from(["RSA", "EC", "OKP"]), "kid": st.just("ours")},
            optional={
                name: _JSON | st.sampled_from(["AQAB", "P-256", "Ed25519"])
                for name in ("n", "e", "crv", "x", "y", "alg")
            },
        ),
        max_size=2,
    ),
    algorithm=st.sampled_from(["RS256", "ES256", "EdDSA"]),
)
def test_any_published_keys(cloud: Cloud, acme: Provider, ready: dict[str, Any], keys: Any, algorithm: str) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "ours"}).encode()).decode().rstrip("=")
    cloud.services.bound["federation"]._parties.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(acme.app.view_functions, "oidc-provider-mock.jwks", lambda: json.dumps({"keys": keys}))
        assert status(cloud, f"{header}.e30.AAAA") in (401, 503)
