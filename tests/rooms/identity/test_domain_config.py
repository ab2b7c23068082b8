"""What a domain sets for itself: whole, by group, by option; secrets stay secret."""

import pytest

from stackyard.rooms.identity.resources.domain_config import store
from stackyard.rooms.identity.rotation import keys_of
from tests.rooms.identity.cloud import Admin, Cloud

CONFIG = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://host", "page_size": 5}}


@pytest.fixture
def domain(admins: Admin) -> str:
    count = len(admins.do("GET", "/v3/domains").json["domains"])
    return str(admins.make("domain", name=f"domain-{count}")["id"])


def test_a_configuration_is_made_replaced_and_removed(shared: Cloud, admins: Admin, domain: str) -> None:
    path = f"/v3/domains/{domain}/config"
    assert shared.ask("GET", path, token=admins.token).status_code == 404
    made = admins.do("PUT", path, {"config": CONFIG})
    assert (made.status_code, made.json) == (201, {"config": CONFIG})
    again = admins.do("PUT", path, {"config": {"ldap": {"url": "ldap://other"}}})
    assert (again.status_code, again.json["config"]) == (200, {"ldap": {"url": "ldap://other"}})
    changed = admins.do("PATCH", path, {"config": CONFIG}).json["config"]
    assert changed == CONFIG
    assert admins.do("DELETE", path).status_code == 204
    assert shared.ask("GET", path, token=admins.token).status_code == 404


def test_groups_and_options_are_reached_by_themselves(shared: Cloud, admins: Admin, domain: str) -> None:
    path = f"/v3/domains/{domain}/config"
    admins.do("PUT", path, {"config": CONFIG})
    assert admins.do("GET", f"{path}/ldap").json["config"] == {"ldap": CONFIG["ldap"]}
    assert admins.do("GET", f"{path}/ldap/url").json["config"] == {"url": "ldap://host"}
    admins.do("PATCH", f"{path}/ldap/url", {"config": {"url": "ldap://new"}})
    admins.do("PATCH", f"{path}/ldap", {"config": {"ldap": {"user_filter": "(a=b)"}}})
    whole = admins.do("GET", path).json["config"]
    assert whole["ldap"] == {"url": "ldap://new", "page_size": 5, "user_filter": "(a=b)"}
    for part in ("/ldap/suffix", "/ldap/password"):
        body = {"config": {part.rpartition("/")[2]: "x"}}
        assert shared.ask("PATCH", path + part, body, admins.token).status_code == 404
    wrong = shared.ask("PATCH", f"{path}/ldap", {"config": {"identity": {"driver": "sql"}}}, admins.token)
    assert wrong.status_code == 403
    assert admins.do("DELETE", f"{path}/ldap/url").status_code == 204
    assert admins.do("DELETE", f"{path}/ldap").status_code == 204
    assert shared.ask("DELETE", f"{path}/ldap", token=admins.token).status_code == 404


def test_what_domains_cannot_set_is_refused(shared: Cloud, admins: Admin, domain: str) -> None:
    path = f"/v3/domains/{domain}/config"
    for given, said, status in (
        ({"kerberos": {"a": "b"}}, "kerberos", 403),
        ({"ldap": {"colour": "red"}}, "colour", 403),
        ({"ldap": {"page_size": "many"}}, "config.ldap.page_size", 400),
        ({"ldap": "all"}, "config.ldap", 400),
        ({}, "no options", 403),
    ):
        refused = shared.ask("PUT", path, {"config": given}, admins.token)
        assert (refused.status_code, said in refused.json["error"]["message"]) == (status, True)
    assert shared.ask("PUT", path, {}, admins.token).status_code == 400


def test_a_password_is_kept_for_the_cloud_and_shown_to_nobody(shared: Cloud, admins: Admin, domain: str) -> None:
    path = f"/v3/domains/{domain}/config"
    given = {"ldap": {"user": "cn=x", "password": "s3cret", "url": "ldap://%(password)s@host"}}
    for answer in (admins.do("PUT", path, {"config": given}), admins.do("GET", f"{path}/ldap")):
        assert "s3cret" not in answer.text
        assert "cn=x" in answer.text
    assert shared.ask("GET", f"{path}/ldap/password", token=admins.token).status_code == 404
    with shared.database.read() as tx:
        effective = store.effective(tx, domain, keys_of(shared.services).secret)
        kept = store.own(tx, domain)
    assert "s3cret" not in str(kept)
    assert effective["ldap"]["password"] == "s3cret"
    assert effective["ldap"]["url"] == "ldap://s3cret@host"
    assert effective["ldap"]["query_scope"] == "one"
    assert effective["identity"]["driver"] == "sql"


def test_the_defaults_can_be_read(shared: Cloud, admins: Admin) -> None:
    whole = admins.do("GET", "/v3/domains/config/default").json["config"]
    assert set(whole) == {"identity", "ldap"}
    assert "password" not in whole["ldap"]
    assert admins.do("GET", "/v3/domains/config/identity/default").json["config"] == {"identity": whole["identity"]}
    assert admins.do("GET", "/v3/domains/config/ldap/url/default").json["config"] == {"url": "ldap://localhost"}
    assert shared.ask("GET", "/v3/domains/config/ldap/password/default", token=admins.token).status_code == 403


def test_everybody_may_know_the_rules_for_passwords(shared: Cloud, admins: Admin, domain: str) -> None:
    token = shared.token("demo")
    path = "/v3/domains/default/config/security_compliance"
    found = shared.ask("GET", path, token=token).json["config"]["security_compliance"]
    assert set(found) == {"password_regex", "password_regex_description"}
    assert set(shared.ask("GET", f"{path}/password_regex", token=token).json["config"]) == {"password_regex"}
    assert shared.ask("GET", f"{path}/lockout_duration", token=token).status_code == 403
    elsewhere = f"/v3/domains/{domain}/config/security_compliance"
    assert shared.ask("GET", elsewhere, token=admins.token).status_code == 403
    assert shared.ask("GET", "/v3/domains/default/config", token=token).status_code == 403
