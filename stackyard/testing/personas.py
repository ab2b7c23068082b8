"""Callers of a cloud under test, and how they log in."""

import ssl
from typing import Any

import httpx
import yaml

from stackyard.kernel.settings import Settings


class Persona:
    """A caller: an HTTP client that carries a token. Paths are below the base URL: `get("/image/v2/images")`."""

    def __init__(
        self,
        url: str,
        token: str,
        project_id: str | None,
        *,
        verify: ssl.SSLContext | bool = True,
        **headers: str,
    ) -> None:
        """`verify`: what to trust where the cloud speaks TLS, and which certificate to present."""
        self.token = token
        self.project_id = project_id
        self.http = httpx.Client(
            base_url=url, headers={"X-Auth-Token": token, **headers}, timeout=30, trust_env=False, verify=verify
        )

    def __call__(
        self, method: str, path: str, body: Any = None, *, ok: int | None = None, **headers: str
    ) -> httpx.Response:
        """One request; with `ok`, the status it must have (an AssertionError shows the answer otherwise)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else {"json": body}
        answer = self.http.request(method, path, headers=named, **sent)
        assert ok is None or answer.status_code == ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def get(self, path: str, ok: int = 200) -> Any:
        """The JSON of a GET."""
        return self("GET", path, ok=ok).json()

    def post(self, path: str, body: Any = None, ok: int = 201) -> Any:
        """The JSON of a POST."""
        answer = self("POST", path, body, ok=ok)
        return answer.json() if answer.content else None


class Doors:
    """The ways into a cloud, whether it runs in the test's process or in one of its own."""

    settings: Settings

    @property
    def url(self) -> str:
        """The base URL."""
        return self.settings.base_url

    def login(self, user: str, password: str, project: str | None = None, scope: Any = None, **headers: str) -> Persona:
        """A persona with a fresh token, scoped to the project by name (or as `scope` says)."""
        named = {"name": user, "domain": {"id": "default"}, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
        if project or scope:
            auth["scope"] = scope or {"project": {"name": project, "domain": {"id": "default"}}}
        verify = self.trust()
        url = f"{self.url}/identity/v3/auth/tokens"
        answer = httpx.post(url, json={"auth": auth}, trust_env=False, timeout=30, verify=verify)
        assert answer.status_code == 201, answer.text
        issued, project_id = answer.headers["X-Subject-Token"], answer.json()["token"].get("project", {}).get("id")
        return Persona(self.url, issued, project_id, verify=verify, **headers)

    def trust(self) -> ssl.SSLContext | bool:
        """What a client of this cloud trusts. Where nothing is encrypted no authorities are read: all those of the web
        cost more than the request."""
        authority = self.settings.authority
        return ssl.create_default_context(cafile=authority) if authority else self.url.startswith("https:")

    def seeded(self, name: str, **headers: str) -> Persona:
        """The persona of a cloud in the seeded clouds.yaml: stackyard (demo) or stackyard-admin."""
        clouds = yaml.safe_load((self.settings.state_dir / "clouds.yaml").read_text())["clouds"]
        auth = clouds[name]["auth"]
        return self.login(auth["username"], auth["password"], auth.get("project_name"), **headers)

    @property
    def admin(self) -> Persona:
        """The administrator, in project admin."""
        return self.seeded("stackyard-admin")

    @property
    def demo(self) -> Persona:
        """The demo user, a member of project demo."""
        return self.seeded("stackyard")

    def persona(self, project: str, role: str = "member", **headers: str) -> Persona:
        """A user of their own with a role on a project; both are made when they are missing."""
        admin = self.admin
        found = admin.get(f"/identity/v3/projects?name={project}")["projects"]
        home = found[0] if found else admin.post("/identity/v3/projects", {"project": {"name": project}})["project"]
        name = f"{role}-of-{project}"
        if not admin.get(f"/identity/v3/users?name={name}")["users"]:
            user = admin.post("/identity/v3/users", {"user": {"name": name, "password": "a-long-password"}})["user"]
            role_id = admin.get(f"/identity/v3/roles?name={role}")["roles"][0]["id"]
            admin("PUT", f"/identity/v3/projects/{home['id']}/users/{user['id']}/roles/{role_id}", ok=204)
        return self.login(name, "a-long-password", project, **headers)
