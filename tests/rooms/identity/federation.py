"""What tests of federation arrange."""

from typing import Any

from tests.rooms.identity.cloud import Admin

PROVIDERS = "/v3/OS-FEDERATION/identity_providers"
MAPPINGS = "/v3/OS-FEDERATION/mappings"
#: Whoever has an account there has one here, under the same name.
PEOPLE = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]


def call(do: Admin, status: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """The JSON of an answer that must have this status; of a refusal, its text."""
    answer = do.cloud.ask(method, path, body, do.token, **headers)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.text if status >= 400 else answer.json if answer.content else None


def provider(do: Admin, name: str = "acme", **wanted: Any) -> dict[str, Any]:
    made: dict[str, Any] = call(do, 201, "PUT", f"{PROVIDERS}/{name}", {"identity_provider": wanted})
    return dict(made["identity_provider"])


def mapping(do: Admin, name: str, rules: Any, version: str = "1.0") -> None:
    call(do, 201, "PUT", f"{MAPPINGS}/{name}", {"mapping": {"rules": rules, "schema_version": version}})


def protocol(do: Admin, provider_id: str = "acme", name: str = "openid", mapping_id: str = "people") -> dict[str, Any]:
    wanted = {"protocol": {"mapping_id": mapping_id}}
    made: dict[str, Any] = call(do, 201, "PUT", f"{PROVIDERS}/{provider_id}/protocols/{name}", wanted)
    return dict(made["protocol"])
