"""A cloud and its people as the tests of the container room see them."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from stackyard.rooms.container.driver import Image
from stackyard.rooms.container.drivers.fake.world import Program, World
from stackyard.testing.cloud import Persona, RunningCloud

CONTAINERS = "/container/v1/containers"
NEWEST = "container 1.40"
#: Programs of this cloud's images, by command line. Any other goes on until it is stopped.
PROGRAMS = {
    ("true",): Program(exit_code=0),
    ("false",): Program(exit_code=1),
    ("hello",): Program(stdout=b"hello\nworld\n", stderr=b"oops\n"),
    ("echo", "hi"): Program(stdout=b"hi\n", exit_code=0),
    ("sleep", "forever"): Program(),
    ("no-such-program",): Program(missing=True),
}


def teach(world: World) -> None:
    """Fill a world's registry and its programs."""
    for name in ("web", "db"):
        world.registry[name] = world.registry[f"{name}:latest"] = Image(
            id=f"sha256:{name}", names=[f"{name}:latest"], size=3
        )
    world.registry["broken"] = "unauthorized: the registry wants a login"
    world.programs.update(PROGRAMS)


class Zun:
    """The container API as one person uses it."""

    def __init__(self, cloud: RunningCloud, person: Persona) -> None:
        self.cloud, self.person = cloud, person
        self.world = cloud.worlds.container

    def __call__(self, method: str, path: str, body: Any = None, *, version: str = NEWEST) -> httpx.Response:
        """A request below /container/v1 at a version of the API."""
        return self.person(method, f"/container/v1{path}", body, OpenStack_API_Version=version)

    def create(self, run: bool = False, version: str = NEWEST, **wanted: Any) -> dict[str, Any]:
        """An accepted container, once its operation has ended."""
        query = "?run=true" if run else ""
        answer = self("POST", f"/containers{query}", {"image": "web", **wanted}, version=version)
        assert answer.status_code == 202, answer.text
        self.cloud.settle()
        made: dict[str, Any] = answer.json()
        return made

    def run(self, **wanted: Any) -> str:
        """The id of a container that was created and started."""
        return str(self.create(run=True, **wanted)["uuid"])

    def refused(self, status: int, /, **wanted: Any) -> str:
        """The words with which a creation is refused."""
        answer = self("POST", "/containers?run=true", {"image": "web", **wanted})
        assert answer.status_code == status, answer.text
        return str(answer.json()["errors"][0]["detail"])

    def show(self, container: str, version: str = NEWEST) -> dict[str, Any]:
        """A container as it is."""
        answer = self("GET", f"/containers/{container}", version=version)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def status(self, container: str) -> str:
        """Its status; "gone" when there is none."""
        answer = self("GET", f"/containers/{container}")
        return str(answer.json()["status"]) if answer.status_code == 200 else "gone"

    def do(self, container: str, action: str, status: int = 202, *, version: str = NEWEST) -> Any:
        """An action that must be answered so, once its operation has ended."""
        method = (
            "GET" if action.split("?")[0] in ("logs", "top", "stats", "network_list", "container_actions") else "POST"
        )
        answer = self(method, f"/containers/{container}/{action}", version=version)
        assert answer.status_code == status, answer.text
        self.cloud.settle()
        return answer.json() if answer.content else None

    def delete(self, container: str, query: str = "?stop=true", status: int = 204) -> None:
        """Delete it, and wait for the end."""
        answer = self("DELETE", f"/containers/{container}{query}")
        assert answer.status_code == status, answer.text
        self.cloud.settle()

    def engine(self, container: str) -> Any:
        """What the engine has of it: its spec and state."""
        return self.world.containers[container]

    def reconcile(self, *names: str) -> None:
        """Run reconcilers now, and what they begin."""
        for name in names or ("network", "containers"):
            self.cloud.cloud.reconcilers.run_once(name)
        self.cloud.settle()

    def mismatches(self) -> list[str]:
        """What `stackyard check` would print."""
        return [each.text for each in self.cloud.cloud.reconcilers.mismatches()]

    # -- the network service --

    def net(self, method: str, path: str, body: Any = None, ok: int | None = None) -> Any:
        """A request to the network service; its JSON."""
        answer = self.person(method, f"/networking/v2.0{path}", body, ok=ok)
        return answer.json() if answer.content else None

    def network(self, cidr: str = "10.9.0.0/24", **subnet: Any) -> str:
        """The id of a new network with a subnet."""
        network = str(self.net("POST", "/networks", {"network": {"name": "more"}}, 201)["network"]["id"])
        wanted = {"network_id": network, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **subnet}
        self.net("POST", "/subnets", {"subnet": wanted}, 201)
        return network

    def ports(self, container: str) -> list[dict[str, Any]]:
        """The ports of a container, as the network service lists them."""
        found: list[dict[str, Any]] = self.net("GET", f"/ports?device_id={container}", ok=200)["ports"]
        return found


def soon(look: Callable[[], object], timeout: float = 30) -> None:
    """Wait until `look` returns something true. Raises AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not look():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.02)
