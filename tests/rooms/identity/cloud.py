"""A cloud of the identity room alone, asked through the wire."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from falcon import testing

from stackyard.kernel.caller import service_caller
from stackyard.kernel.journal import Book
from stackyard.kernel.request.app import Front
from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.policy import Policies
from stackyard.kernel.request.proxies import Proxies
from stackyard.kernel.request.routing import Router
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Database
from stackyard.kernel.work import Clock, Services, SystemClock
from stackyard.rooms.identity import facade, room, seed
from stackyard.rooms.identity.room import ROOM
from stackyard.rooms.identity.throttle import Throttle
from tests.in_process import client

BASE = "http://cloud.test"
SERVICES = [
    ("identity", "keystone", "/identity"),
    ("network", "neutron", "/networking"),
    ("object-store", "swift", "/object-store/v1/AUTH_{project_id}"),
]


class Cloud:
    """The room over a database in `folder`, as the composition root would start it."""

    def __init__(self, folder: Path, clock: Clock | None = None, public_url: str = BASE, **chosen: Any) -> None:
        self.settings = Settings(state_dir=folder, password_cost=4, public_url=public_url, **chosen)
        self.database = Database(self.settings.database_url)
        migrations.upgrade(self.database, [ROOM])
        self.services = Services(
            database=self.database,
            journal=Book([ROOM]),
            policy=Policies([ROOM]),
            clock=clock or SystemClock(),
            nodes=SimpleNamespace(),
            settings=self.settings,
            bound={},
            signal=lambda name: None,
        )
        self.clock = self.services.clock
        room.start(self.services)
        self.tokens = self.services.bound["identity"]
        self.front = Front(Chain(self.services, Router(endpoints(ROOM), [ROOM]), self.tokens.validate))
        self.client = client(self.front)

    def seed(self) -> None:
        """The first rows, in one transaction."""
        with self.database.write() as tx:
            work = self.services.work(tx, service_caller("seed"))
            seed.seed(work)
            facade.register_services(work, SERVICES)

    @contextmanager
    def trusting(self, *proxies: str) -> Iterator[None]:
        """With these reverse proxies trusted."""
        before, self.front.proxies = self.front.proxies, Proxies(proxies)
        try:
            yield
        finally:
            self.front.proxies = before

    def forgive(self, now: Callable[[], float] = time.monotonic) -> None:
        """Forget who failed to log in so far. `now`: the time that failures are forgotten by from now on."""
        self.services.bound["identity_throttle"] = Throttle(now)

    def close(self) -> None:
        self.front.close()
        self.database.close()

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> testing.Result:
        """One request below /identity."""
        given = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if token:
            given["X-Auth-Token"] = token
        raw = body if isinstance(body, bytes | str) else json.dumps(body) if body is not None else None
        path, _, query = path.partition("?")
        return self.client.simulate_request(method, "/identity" + path, body=raw, headers=given, query_string=query)

    def password(self, user: str) -> str:
        clouds = yaml.safe_load((self.settings.state_dir / "clouds.yaml").read_text())["clouds"]
        return str(next(each["auth"]["password"] for each in clouds.values() if each["auth"]["username"] == user))

    def log_in(
        self, user: str, scope: Any = None, password: str | None = None, domain: str = "default"
    ) -> testing.Result:
        """Ask for a token by password."""
        secret = password if password is not None else self.password(user)
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": {"id": domain}, "password": secret}},
        }
        auth = {"identity": identity, **({"scope": scope} if scope is not None else {})}
        return self.ask("POST", "/v3/auth/tokens", {"auth": auth})

    def token(self, user: str, scope: Any = None, password: str | None = None, domain: str = "default") -> str:
        result = self.log_in(user, scope, password, domain)
        assert result.status_code == 201, result.text
        return str(result.headers["X-Subject-Token"])

    def authenticate(self, methods: dict[str, Any], scope: Any = None, **headers: str) -> testing.Result:
        """Ask for a token by these methods."""
        auth = {"identity": {"methods": list(methods), **methods}, **({"scope": scope} if scope is not None else {})}
        return self.ask("POST", "/v3/auth/tokens", {"auth": auth}, **headers)


def project_scope(name: str, domain: str = "default") -> dict[str, Any]:
    return {"project": {"name": name, "domain": {"id": domain}}}


SYSTEM = {"system": {"all": True}}


class Admin:
    """Shorthand for what tests arrange as the administrator; every call must succeed."""

    def __init__(self, cloud: Cloud, token: str) -> None:
        self.cloud, self.token = cloud, token

    def make(self, kind: str, **values: Any) -> dict[str, Any]:
        result = self.cloud.ask("POST", f"/v3/{kind}s", {kind: values}, self.token)
        assert result.status_code == 201, result.text
        made: dict[str, Any] = result.json[kind]
        return made

    def change(self, kind: str, object_id: str, **values: Any) -> dict[str, Any]:
        result = self.cloud.ask("PATCH", f"/v3/{kind}s/{object_id}", {kind: values}, self.token)
        assert result.status_code == 200, result.text
        changed: dict[str, Any] = result.json[kind]
        return changed

    def named(self, kind: str, name: str) -> dict[str, Any]:
        result = self.cloud.ask("GET", f"/v3/{kind}s?name={name}", token=self.token)
        found: list[dict[str, Any]] = result.json[f"{kind}s"]
        assert len(found) == 1, result.text
        return found[0]

    def do(self, method: str, path: str, body: Any = None) -> testing.Result:
        result = self.cloud.ask(method, path, body, self.token)
        assert result.status_code < 300, f"{method} {path}: {result.text}"
        return result

    def grant(self, where: str, who: str, role: str, method: str = "PUT") -> None:
        """`where`: projects/<id>, domains/<id> or system; `who`: users/<id> or groups/<id>; `role` by name."""
        self.do(method, f"/v3/{where}/{who}/roles/{self.named('role', role)['id']}")
