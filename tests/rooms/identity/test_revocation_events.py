"""Revocation events: what ended tokens before their time; and what Keystone has no longer."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import Admin, Cloud

EVENTS = "/v3/OS-REVOKE/events"


def events(admins: Admin, since: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admins.do("GET", f"{EVENTS}?since={since}" if since else EVENTS).json["events"]
    return found


def test_whatever_ends_tokens_is_told(shared: Cloud, admins: Admin) -> None:
    user = admins.make("user", name="ada", password="secret")["id"]
    project = admins.make("project", name="engine")["id"]
    domain = admins.make("domain", name="away", enabled=False)["id"]
    answer = shared.log_in("ada", password="secret")
    token, audit_id = str(answer.headers["X-Subject-Token"]), answer.json["token"]["audit_ids"][0]
    assert events(admins) == []
    admins.change("user", user, name="grace")
    assert events(admins) == []
    assert shared.ask("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token).status_code == 204
    admins.change("user", user, password="another")
    admins.do("DELETE", f"/v3/projects/{project}")
    admins.do("DELETE", f"/v3/domains/{domain}")
    admins.do("DELETE", f"/v3/users/{user}")
    told = events(admins)
    what = [{name: each[name] for name in each if name not in ("issued_before", "revoked_at")} for each in told]
    assert what == [
        {"audit_id": audit_id},
        {"user_id": user},
        {"project_id": project},
        {"domain_id": domain},
        {"user_id": user},
    ]
    later = told[2]["revoked_at"]
    assert all(each["revoked_at"] > later for each in events(admins, later))
    assert told[-1] in events(admins, later)


def test_events_are_for_administrators_and_services(shared: Cloud, admins: Admin) -> None:
    assert shared.ask("GET", EVENTS, token=shared.token("demo")).status_code == 403
    bad = shared.ask("GET", f"{EVENTS}?since=yesterday", token=admins.token)
    assert (bad.status_code, "since" in bad.json["error"]["message"]) == (400, True)


@pytest.mark.parametrize("what", ["ca", "certificates"])
def test_certificates_of_signed_tokens_are_gone_for_everybody(shared: Cloud, what: str) -> None:
    assert shared.ask("GET", f"/v3/OS-SIMPLE-CERT/{what}").status_code == 410
