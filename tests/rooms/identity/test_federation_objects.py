"""Identity providers, their protocols, mappings and service providers; users who stand for people there."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import Admin
from tests.rooms.identity.federation import MAPPINGS, PEOPLE, PROVIDERS, call, mapping, protocol, provider


def test_an_identity_provider_has_a_domain_of_its_own_unless_it_is_given_one(do: Admin) -> None:
    own = provider(do, description="people of Acme", remote_ids=["https://sso.acme.test"])
    assert own["enabled"] is False
    assert own["links"]["protocols"].endswith(f"{PROVIDERS}/acme/protocols")
    assert call(do, 200, "GET", f"/v3/domains/{own['domain_id']}")["domain"]["enabled"] is True
    assert provider(do, "beta", domain_id="default", authorization_ttl=30)["domain_id"] == "default"
    assert call(do, 200, "GET", f"{PROVIDERS}/acme")["identity_provider"] == own
    changed = call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"enabled": True}})["identity_provider"]
    assert changed == {**own, "enabled": True}
    assert [each["id"] for each in call(do, 200, "GET", f"{PROVIDERS}?enabled=true")["identity_providers"]] == ["acme"]
    call(do, 204, "DELETE", f"{PROVIDERS}/acme")
    call(do, 404, "GET", f"{PROVIDERS}/acme")


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"authorization_ttl": -1}, 400, "authorization_ttl"),
        ({"remote_ids": ["a", "a"]}, 400, "remote_ids"),
        ({"issuer": "https://sso"}, 400, "issuer"),
        ({"domain_id": "nowhere"}, 404, "domain"),
        ({"remote_ids": ["https://taken"]}, 409, "https://taken"),
    ],
)
def test_an_identity_provider_is_refused_with_the_field(
    do: Admin, wanted: dict[str, Any], status: int, said: str
) -> None:
    provider(do, "first", remote_ids=["https://taken"])
    answer = call(do, status, "PUT", f"{PROVIDERS}/acme", {"identity_provider": wanted})
    assert said in answer
    assert "Duplicate ID" in call(do, 409, "PUT", f"{PROVIDERS}/first", {"identity_provider": {}})


def test_two_providers_have_protocols_of_the_same_name_that_do_not_touch(do: Admin) -> None:
    provider(do), provider(do, "beta"), mapping(do, "people", PEOPLE)
    assert "idp_id" not in protocol(do)
    protocol(do, "beta")
    call(do, 201, "PUT", f"{MAPPINGS}/other", {"mapping": {"rules": PEOPLE, "schema_version": "2.0"}})
    change = {"protocol": {"mapping_id": "other", "remote_id_attribute": "HTTP_OIDC_ISS"}}
    changed = call(do, 200, "PATCH", f"{PROVIDERS}/beta/protocols/openid", change)["protocol"]
    assert (changed["mapping_id"], changed["remote_id_attribute"]) == ("other", "HTTP_OIDC_ISS")
    listed = call(do, 200, "GET", f"{PROVIDERS}/acme/protocols")["protocols"]
    assert [(each["id"], each["idp_id"], each["mapping_id"]) for each in listed] == [("openid", "acme", "people")]
    call(do, 204, "DELETE", f"{PROVIDERS}/beta/protocols/openid")
    assert call(do, 200, "GET", f"{PROVIDERS}/acme/protocols/openid")["protocol"]["mapping_id"] == "people"
    call(do, 404, "GET", f"{PROVIDERS}/nobody/protocols")
    assert "mapping_id" in call(
        do, 400, "PUT", f"{PROVIDERS}/acme/protocols/saml2", {"protocol": {"mapping_id": "none"}}
    )
    call(do, 409, "PUT", f"{PROVIDERS}/acme/protocols/openid", {"protocol": {"mapping_id": "people"}})


def test_a_mapping_is_refused_with_the_rule_that_is_wrong(do: Admin) -> None:
    wrong = [*PEOPLE, {"local": [{"user": {"name": "{1}"}}], "remote": [{"type": "OIDC-sub"}]}]
    assert "rules.1.local.0.user.name" in call(do, 400, "PUT", f"{MAPPINGS}/people", {"mapping": {"rules": wrong}})
    made = call(do, 201, "PUT", f"{MAPPINGS}/people", {"mapping": {"rules": PEOPLE}})["mapping"]
    assert (made["rules"], made["schema_version"]) == (PEOPLE, "1.0")
    call(do, 400, "PATCH", f"{MAPPINGS}/people", {"mapping": {"rules": []}})
    assert call(do, 200, "GET", MAPPINGS)["mappings"] == [made]
    call(do, 204, "DELETE", f"{MAPPINGS}/people")


def test_tokens_name_the_service_providers_that_are_enabled(do: Admin) -> None:
    path = "/v3/OS-FEDERATION/service_providers/far"
    far = {"auth_url": "https://far.test/v3/auth", "sp_url": "https://far.test/Shibboleth.sso/SAML2/ECP"}
    made = call(do, 201, "PUT", path, {"service_provider": far})["service_provider"]
    assert (made["enabled"], made["relay_state_prefix"]) == (False, "ss:mem:")
    token = do.cloud.token("demo")

    def told() -> Any:
        return call(do, 200, "GET", "/v3/auth/tokens", X_Subject_Token=token)["token"].get("service_providers")

    assert told() is None
    call(do, 200, "PATCH", path, {"service_provider": {"enabled": True}})
    assert told() == [{"id": "far", **far}]
    assert "sp_url" in call(do, 400, "PUT", f"{path}2", {"service_provider": {"auth_url": "https://far.test"}})
    call(do, 204, "DELETE", path)
    assert told() is None


def test_a_user_can_be_made_who_stands_for_somebody_at_a_provider(do: Admin) -> None:
    provider(do), mapping(do, "people", PEOPLE), protocol(do)
    people = [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "jane"}]}]
    user = do.make("user", name="jane", federated=people)
    assert user["federated"] == people
    assert call(do, 200, "GET", f"/v3/users/{user['id']}")["user"]["federated"] == people
    for query in ("unique_id=jane", "idp_id=acme", "protocol_id=openid&idp_id=acme"):
        assert [each["id"] for each in call(do, 200, "GET", f"/v3/users?{query}")["users"]] == [user["id"]]
    assert call(do, 200, "GET", "/v3/users?unique_id=joe")["users"] == []
    call(do, 409, "POST", "/v3/users", {"user": {"name": "joe", "federated": people}})
    elsewhere = [{"idp_id": "acme", "protocols": [{"protocol_id": "saml2", "unique_id": "jane"}]}]
    assert "federated.0.protocols" in call(
        do, 400, "POST", "/v3/users", {"user": {"name": "joe", "federated": elsewhere}}
    )
    call(do, 204, "DELETE", f"{PROVIDERS}/acme")
    assert "federated" not in call(do, 200, "GET", f"/v3/users/{user['id']}")["user"]


def test_a_domain_takes_its_identity_providers_along(do: Admin) -> None:
    domain = provider(do)["domain_id"]
    mapping(do, "people", PEOPLE), protocol(do)
    do.change("domain", domain, enabled=False)
    call(do, 204, "DELETE", f"/v3/domains/{domain}")
    call(do, 404, "GET", f"{PROVIDERS}/acme")


def test_who_manages_a_domain_does_not_say_for_whom_its_users_stand(do: Admin) -> None:
    provider(do), mapping(do, "people", PEOPLE), protocol(do)
    domain = do.make("domain", name="managed")["id"]
    users = {
        name: do.make("user", name=name, password="secret", domain_id=domain)["id"] for name in ("manager", "managed")
    }
    do.grant(f"domains/{domain}", f"users/{users['manager']}", "manager")
    token = do.cloud.token("manager", {"domain": {"id": domain}}, "secret", domain)
    people = [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "jane"}]}]
    path = f"/v3/users/{users['managed']}"
    assert do.cloud.ask("PATCH", path, {"user": {"email": "m@example.org"}}, token).status_code == 200
    assert do.cloud.ask("PATCH", path, {"user": {"federated": people}}, token).status_code == 403
    made = {"user": {"name": "jane", "domain_id": domain, "password": "secret", "federated": people}}
    assert do.cloud.ask("POST", "/v3/users", made, token).status_code == 403
    assert do.change("user", users["managed"], federated=people)["federated"] == people


@pytest.mark.parametrize(
    "url", ["https://f\u00e4r.test", "https://\u96f2.test", "https://far.test/\rX-Evil: 1", "https://a b"]
)
def test_an_address_that_no_header_can_hold_is_refused(do: Admin, url: str) -> None:
    path = "/v3/OS-FEDERATION/service_providers/far"
    for name in ("sp_url", "auth_url"):
        given = {"auth_url": "https://far.test", "sp_url": "https://far.test", name: url}
        assert name in call(do, 400, "PUT", path, {"service_provider": given})
