"""A cloud that logs browsers in at a provider that speaks SAML, and such a browser."""

from typing import Any

import yaml
from falcon.testing import Result

from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.federation import PROVIDERS, mapping, protocol, provider
from tests.rooms.identity.saml_provider import ENTITY, SSO, Asked, SamlIdp

WEBSSO = "/v3/auth/OS-FEDERATION/identity_providers/corp/protocols/saml2/websso"
DASHBOARD = "https://horizon.test/auth/websso/"
HERE = f"http://cloud.test/identity{PROVIDERS}/corp/protocols/saml2/auth"
FORM = "application/x-www-form-urlencoded"
RULES = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}],
        "remote": [{"type": "REMOTE_USER"}, {"type": "mail"}],
    }
]
MAIL = {"mail": "jane@corp.test"}


def connect(cloud: Cloud, idp: SamlIdp, **more: Any) -> None:
    section = {"entity_id": ENTITY, "sso_endpoint": SSO, "certificates": [idp.pem], **more}
    path = cloud.settings.state_dir / "federation.yaml"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"trusted_dashboards": [DASHBOARD], "providers": {"corp": {"saml2": section}}}))


def connected(cloud: Cloud, do: Admin, idp: SamlIdp) -> Cloud:
    """The cloud, with the provider connected to it."""
    connect(cloud, idp)
    provider(do, "corp", enabled=True, remote_ids=[ENTITY])
    mapping(do, "corp", RULES)
    protocol(do, "corp", "saml2", "corp")
    return cloud


class Browser:
    """Goes to the provider and comes back, keeping cookies."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.cookie = ""

    def begin(self, path: str = WEBSSO) -> Asked:
        answer = self.cloud.ask("GET", f"{path}?origin={DASHBOARD}")
        assert answer.status_code == 302, answer.text
        assert answer.headers["Location"].startswith("https://idp.test/sso?")
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        return Asked(answer.headers["Location"])

    def back(self, form: str) -> Result:
        return self.cloud.ask("POST", WEBSSO, form, Content_Type=FORM, Cookie=self.cookie)

    def refused(self, form: str) -> str:
        answer = self.back(form)
        assert answer.status_code == 401, answer.text
        return str(answer.json["error"]["message"])
