"""A program: a new cloud of the given services comes up in the folder that it is given, and its seeded user logs in and
makes a network, where that is served. It prints the names of the modules it has loaded by then. Its drivers are the
fake ones."""

import asyncio
import http.client
import json
import shlex
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import uvicorn

from stackyard.assemble import Cloud
from stackyard.cli.serve import only_server
from stackyard.kernel.request import listener
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage import apart


def main(folder: Path, services: str) -> None:
    """Come up, be asked, tell."""
    settings = Settings(state_dir=folder, password_cost=4, services=services.split(","))
    cloud = Cloud(settings=settings, drivers=lambda names: _drivers(settings, names), upgrade=apart.upgrade)
    with only_server(folder):
        cloud.prepare()
        cloud.connect()
        cloud.start()
        cloud.reconcilers.wait_for_first_round(60)
        _serve(cloud)
        # What the audit trail tells of is told by then.
        cloud.stop()
    print(json.dumps(sorted(sys.modules)))


def _drivers(settings: Settings, names: Collection[str]) -> dict[str, object]:
    if not names:
        return {}
    from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
    from stackyard.rooms.container.drivers.fake.world import World as ContainerWorld
    from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
    from stackyard.rooms.network.drivers.fake import World as NetworkWorld

    return {"container": FakeContainers(ContainerWorld()), "network": FakeNetworks(settings.cloud_id, NetworkWorld())}


def _serve(cloud: Cloud) -> None:
    server = uvicorn.Server(listener.config(cloud.front))
    serving = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    serving.start()
    while not server.started:
        assert serving.is_alive(), "the API does not come up"
    _use(server.servers[0].sockets[0].getsockname()[1], cloud)
    server.should_exit = True
    serving.join()


def _use(port: int, cloud: Cloud) -> None:
    settings = cloud.settings
    known = dict(word.split("=", 1) for word in shlex.split((settings.state_dir / "openrc").read_text()) if "=" in word)
    user = {"name": known["OS_USERNAME"], "domain": {"id": "default"}, "password": known["OS_PASSWORD"]}
    scope = {"project": {"name": known["OS_PROJECT_NAME"], "domain": {"id": "default"}}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    token = _post(port, "/identity/v3/auth/tokens", {"auth": auth}, "").headers["X-Subject-Token"]
    if cloud.serves("network"):
        _post(port, "/networking/v2.0/networks", {"network": {"name": "first"}}, token or "")


def _post(port: int, path: str, body: Any, token: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 201, said
    connection.close()
    return answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
