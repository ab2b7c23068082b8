"""Which requests an access rule names."""

from pathlib import Path

import pytest

from stackyard.kernel.caller import AccessRule
from stackyard.kernel.request.access import matches, permitted
from stackyard.testing.cloud import cloud
from stackyard.testing.personas import Persona


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("/v2.0/ports", "/v2.0/ports", True),
        ("/v2.0/ports", "/v2x0/ports", False),
        ("/v2.0/ports", "/v2.0/ports/1", False),
        ("/v2.0/*", "/v2.0/ports", True),
        ("/v2.0/*", "/v2.0/", False),
        ("/v2.0/*", "/v2.0/ports/1", False),
        ("/v2.0/p*s/*", "/v2.0/ports/1", True),
        ("/v2.0/ports/{port_id}", "/v2.0/ports/1", True),
        ("/v2.0/ports/{port_id}", "/v2.0/ports/1/tags", False),
        ("/v2.0/{a}/{b}/tags", "/v2.0/ports/1/tags", True),
        ("/v2.0/**", "/v2.0/ports/1/tags", True),
        ("/v2.0/**", "/v2.0/", True),
        ("/**/tags", "/v2.0/ports/1/tags", True),
        ("/**/tags", "/v2.0/ports/1", False),
        ("/v2.0/a[b]+(c)", "/v2.0/a[b]+(c)", True),
        ("/v2.0/{", "/v2.0/{", True),
    ],
)
def test_a_pattern_names_paths(pattern: str, path: str, named: bool) -> None:
    assert matches(pattern, path) is named


def test_service_and_method_are_named_too_and_the_path_may_begin_at_the_service() -> None:
    rules = [AccessRule(service="network", method="GET", path="/v2.0/ports")]
    asked = {"services": ["network"], "base": "/networking", "method": "GET"}
    assert permitted(rules, path="/networking/v2.0/ports", **asked)  # type: ignore[arg-type]
    assert permitted(
        [AccessRule(service="network", method="GET", path="/networking/**")], path="/networking/v2.0/ports", **asked
    )  # type: ignore[arg-type]
    assert not permitted(rules, path="/networking/v2.0/ports", **{**asked, "method": "POST"})  # type: ignore[arg-type]
    assert not permitted(rules, path="/image/v2.0/ports", services=["image"], base="/image", method="GET")
    assert not permitted([], path="/networking/v2.0/ports", **asked)  # type: ignore[arg-type]


def test_no_pattern_takes_exponential_time() -> None:
    assert not matches("/" + "**a" * 70 + "b", "/" + "a" * 2000)


def test_they_hold_in_every_room(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        demo = running.seeded("stackyard")
        token = demo("GET", "/identity/v3/auth/tokens", X_Subject_Token=demo.token).json()["token"]
        rules = [
            {"service": "network", "method": "GET", "path": "/v2.0/networks/{network_id}"},
            {"service": "network", "method": "GET", "path": "/networking/v2.0/networks"},
            {"service": "image", "method": "POST", "path": "/**"},
        ]
        body = {"application_credential": {"name": "narrow", "access_rules": rules}}
        path = f"/identity/v3/users/{token['user']['id']}/application_credentials"
        made = demo.post(path, body)["application_credential"]
        proof = {"application_credential": {"id": made["id"], "secret": made["secret"]}}
        auth = {"auth": {"identity": {"methods": ["application_credential"], **proof}}}
        issued = demo("POST", "/identity/v3/auth/tokens", auth, ok=201)
        narrow = Persona(running.url, issued.headers["X-Subject-Token"], demo.project_id)
        networks = narrow.get("/networking/v2.0/networks")["networks"]
        narrow.get(f"/networking/v2.0/networks/{networks[0]['id']}")
        for refused in (
            "/networking/v2.0/ports",
            "/networking/v2.0/networks/x/y",
            "/image/v2/images",
            "/container/v1/containers",
        ):
            assert "access rules" in narrow("GET", refused, ok=401).text
        narrow("DELETE", f"/networking/v2.0/networks/{networks[0]['id']}", ok=401)
        assert narrow("POST", "/image/v2/images", {"name": "mine"}, ok=201)
