"""A whole cloud for tests: every room, on a free port of loopback, on drivers that need no host. See `cloud`."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml

from stackyard.assemble import Cloud
from stackyard.kernel.journal.crash import CrashHook
from stackyard.kernel.settings import Settings
from stackyard.kernel.work import Clock, SystemClock
from stackyard.node.messages import HostFacts
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.container.drivers.fake.world import World as ContainerWorld
from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
from stackyard.rooms.network.drivers.fake import World as NetworkWorld

FACTS = HostFacts(
    hostname="testhost", architecture="x86_64", os="Test", kernel_version="6", cpus=8, memory=16 * 2**30,
    memory_available=8 * 2**30, disk=100 * 2**30, disk_available=50 * 2**30,
)  # fmt: skip


class Persona:
    """A caller: an HTTP client that carries a token. Paths are below the base URL: `get("/container/v1/containers")`."""

    def __init__(self, url: str, token: str, project_id: str | None, **headers: str) -> None:
        self.token = token
        self.project_id = project_id
        self.http = httpx.Client(base_url=url, headers={"X-Auth-Token": token, **headers}, timeout=30, trust_env=False)

    def __call__(self, method: str, path: str, body: Any = None, *, ok: int | None = None, **headers: str) -> httpx.Response:
        """One request; with `ok`, the status it must have (an AssertionError shows the answer otherwise)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request(method, path, json=body, headers=named) if body is not None else self.http.request(
            method, path, headers=named
        )
        assert ok is None or answer.status_code == ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def get(self, path: str, ok: int = 200) -> Any:
        """The JSON of a GET."""
        return self("GET", path, ok=ok).json()

    def post(self, path: str, body: Any = None, ok: int = 201) -> Any:
        """The JSON of a POST."""
        answer = self("POST", path, body, ok=ok)
        return answer.json() if answer.content else None


@dataclass
class Worlds:
    """What the fake drivers stand on. It outlives the cloud's process, as a host does."""

    container: ContainerWorld = field(default_factory=ContainerWorld)
    network: NetworkWorld = field(default_factory=NetworkWorld)


@dataclass
class RunningCloud:
    """A cloud under test. `restart()` plays a server that ended and came back over the same host and state."""

    settings: Settings
    worlds: Worlds
    drivers: Mapping[str, object] | None = None
    clock: Clock = field(default_factory=SystemClock)
    crash_hook: CrashHook | None = None
    threads: int = 8

    def start(self) -> None:
        """Come up; returns when the API answers."""
        drivers = self.drivers or {
            "container": FakeContainers(self.worlds.container),
            "network": FakeNetworks(self.settings.cloud_id, self.worlds.network),
        }
        self.cloud = Cloud(
            settings=self.settings, drivers=drivers, clock=self.clock, facts=FACTS if self.drivers is None else None,
            threads=self.threads, crash_hook=self.crash_hook,
        )  # fmt: skip
        self.cloud.prepare()
        self.cloud.connect()
        self.cloud.reconcilers.run_once("hosts")
        if self.threads:
            self.cloud.start()
        else:
            self.cloud.workers.recover()
        self._server = _Threaded(self.cloud, self.settings)
        self._server.start()

    def stop(self) -> None:
        """Go down in order."""
        self._server.stop()
        self.cloud.stop()

    def restart(self) -> None:
        """Go down and come back."""
        self.stop()
        self.start()

    @property
    def url(self) -> str:
        """The base URL."""
        return self.settings.base_url

    def settle(self, timeout: float = 30) -> None:
        """Wait until no operation is queued or running."""
        self.cloud.workers.drain(timeout)

    def login(self, user: str, password: str, project: str | None = None, scope: Any = None, **headers: str) -> Persona:
        """A persona with a fresh token, scoped to the project by name (or as `scope` says)."""
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}}
        auth: dict[str, Any] = {"identity": identity}
        if project or scope:
            auth["scope"] = scope or {"project": {"name": project, "domain": {"id": "default"}}}
        answer = httpx.post(f"{self.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False, timeout=30)
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
        return Persona(self.url, answer.headers["X-Subject-Token"], token.get("project", {}).get("id"), **headers)

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


class _Threaded:
    """The API in a thread with an event loop of its own."""

    def __init__(self, cloud: Cloud, settings: Settings) -> None:
        config = uvicorn.Config(
            cloud.front, host=settings.host, port=settings.port, lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()
        end = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError("the API does not come up")
            time.sleep(0.002)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cloud(
    folder: Path,
    *,
    worlds: Worlds | None = None,
    drivers: Mapping[str, object] | None = None,
    clock: Clock | None = None,
    crash_hook: CrashHook | None = None,
    threads: int = 8,
    **settings: Any,
) -> Iterator[RunningCloud]:
    """A cloud with its state in `folder`, on fake drivers unless others are given. `threads=0`: operations wait until
    `running.cloud.workers.run_all()` performs them in the test's thread. `settings`: any of `kernel.settings.Settings`."""
    chosen = Settings(state_dir=folder, port=free_port(), password_cost=4, **settings)
    running = RunningCloud(
        settings=chosen, worlds=worlds or Worlds(), drivers=drivers, clock=clock or SystemClock(), crash_hook=crash_hook,
        threads=threads,
    )  # fmt: skip
    running.start()
    try:
        yield running
    finally:
        running.stop()
