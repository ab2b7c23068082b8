"""Tokens as JSON Web Signatures, beside the sealed ones."""

import base64
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from stackyard.rooms.identity import rotation
from stackyard.rooms.identity.resources.token.claims import OWN, Claims, Federated, Kind, Origin, new_audit_id
from stackyard.rooms.identity.resources.token.provider import Provider
from tests.rooms.identity.cloud import SYSTEM, Cloud, project_scope


def works(cloud: Cloud, token: str) -> bool:
    return cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200


def part(token: str, number: int) -> Any:
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.fixture
def signing(cloud: Cloud) -> Iterator[Cloud]:
    """The same cloud, started again with the other setting: a further server of it, or this one later."""
    made = Cloud(cloud.settings.state_dir, token_provider="jws")
    yield made
    made.close()


def test_a_signed_token_says_what_keystones_do(signing: Cloud) -> None:
    answer = signing.log_in("demo", project_scope("demo"))
    token, told = answer.headers["X-Subject-Token"], answer.json["token"]
    assert {name: value for name, value in part(token, 0).items() if name != "kid"} == {"typ": "JWT", "alg": "ES256"}
    said = part(token, 1)
    assert said["sub"] == told["user"]["id"]
    assert said["openstack_project_id"] == told["project"]["id"]
    assert said["openstack_methods"] == ["password"]
    assert said["openstack_audit_ids"] == told["audit_ids"]
    assert said["exp"] - said["iat"] == 3600
    assert signing.ask("GET", "/v3/auth/tokens", token=token, X_Subject_Token=token).json["token"] == {
        **told, "catalog": told["catalog"],
    }  # fmt: skip


def test_both_forms_are_good_on_every_server_while_the_cloud_changes_over(cloud: Cloud, signing: Cloud) -> None:
    for token in (cloud.token("admin", SYSTEM), signing.token("admin", SYSTEM)):
        assert works(cloud, token)
        assert works(signing, token)
    assert cloud.token("demo").startswith("gAAAA")


def test_revocation_and_rotation_reach_signed_tokens(cloud: Cloud, signing: Cloud) -> None:
    token = signing.token("demo")
    rotation.rotate(cloud.services, rotation.keys_of(cloud.services).signing)
    assert works(signing, token)
    assert works(cloud, token)
    assert part(signing.token("demo"), 0)["kid"] != part(token, 0)["kid"]
    assert cloud.ask("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token).status_code == 204
    assert not works(signing, token)
    token = signing.token("demo")
    rotation.rotate(cloud.services, rotation.keys_of(cloud.services).signing, compromised=True)
    assert not works(signing, token)


def test_a_token_that_was_touched_is_none(cloud: Cloud, signing: Cloud) -> None:
    token = signing.token("demo")
    head, body, signature = token.split(".")
    somebody = part(token, 1)["sub"][::-1]
    for touched in (
        f"{head}.{encoded({**part(token, 1), 'sub': somebody})}.{signature}",
        f"{encoded({**part(token, 0), 'alg': 'HS256'})}.{body}.{signature}",
        f"{encoded({**part(token, 0), 'alg': 'none'})}.{body}.",
        f"{encoded({**part(token, 0), 'kid': '0' * 32})}.{body}.{signature}",
        f"{head}.{body}.{'A' * len(signature)}",
        f"{head}.{body}.{signature[:40]}",
        "a.b.c", "..",
        f"{head}.{body}.{signature[:-4]}\u00e9\u00e9\u00e9\u00e9".encode().decode("latin-1"),
    ):  # fmt: skip
        assert cloud.ask("GET", "/v3/auth/projects", token=touched).status_code == 401, touched
    assert works(cloud, token)


FEDERATED = Federated(identity_provider_id="corp", protocol_id="openid", group_ids=("g1", "g2"))


PLACES: list[tuple[Kind, str]] = [
    ("unscoped", ""), ("project", "p" * 32), ("domain", "default"), ("system", "system"),
]  # fmt: skip


@pytest.mark.parametrize("form", ["fernet", "jws"])
def test_every_form_carries_every_claim(cloud: Cloud, form: Any) -> None:
    provider = Provider(rotation.keys_of(cloud.services), form)
    fillings: dict[type, Any] = {str: "f" * 32, int: 7}
    origins = [
        Origin(**{member: fillings.get(type(getattr(OWN, member)), FEDERATED)}) for member in Origin.__struct_fields__
    ]
    for (kind, scope), origin in product(PLACES, [OWN, *origins]):
        claims = Claims(
            user_id="u" * 64, methods=("password", "totp"), kind=kind, scope_id=scope, issued=1, expires=2,
            audit_ids=(new_audit_id(), new_audit_id()), generation=7, origin=origin,
        )  # fmt: skip
        with cloud.database.read() as tx:
            assert provider.read(tx, provider.write(tx, claims, 1), 1) == claims
