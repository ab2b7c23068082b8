"""A whole cloud with hosts on the far side of TLS: placed, waited for, told of, on fake drivers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stackyard.assemble import ROOMS, contracts
from stackyard.node.admission import Connect, dial
from stackyard.node.agent import Agent
from stackyard.node.home import Home
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
from stackyard.testing.cloud import FACTS, RunningCloud, Worlds, cloud, free_port
from stackyard.testing.personas import Persona
from tests.node.conftest import wait_until
from tests.rooms.container.zun import teach

NEWEST = {"OpenStack-API-Version": "container latest"}


class Host:
    """A machine with a node: its world stays when the node goes."""

    def __init__(self, running: RunningCloud, folder: Path, name: str, connect: Connect = dial) -> None:
        self.name, self._running = name, running
        self.worlds = Worlds()
        teach(self.worlds.container)
        self.home = Home(folder / name, connect)
        self.home.join(running.settings.nodes, running.cloud.authority.new_token(timedelta(minutes=5)), name)
        self.agent: Agent | None = None

    def up(self) -> None:
        drivers = {
            "container": FakeContainers(self.worlds.container), "network": FakeNetworks("far", self.worlds.network),
        }  # fmt: skip
        self.agent = Agent(self.home, drivers, contracts(ROOMS), lambda: FACTS, lambda states: None, every=0.2)
        self.agent.start()
        assert self._running.cloud.nodes.wait_for(self.name, 30)
        self._running.cloud.reconcilers.run_once("hosts")

    def down(self) -> None:
        if self.agent is not None:
            self.agent.close()
        wait_until(lambda: self.name not in self._running.cloud.nodes.names())

    def runs(self) -> list[str]:
        return [each.id for each in FakeContainers(self.worlds.container).inventory().containers]


class Tenant:
    """A project with networks."""

    def __init__(self, running: RunningCloud, name: str) -> None:
        self.running, self.ask = running, running.persona(name, **NEWEST)

    def network(self, cidr: str = "10.1.0.0/24") -> str:
        made = self.ask.post("/networking/v2.0/networks", {"network": {}})["network"]["id"]
        subnet = {"network_id": made, "ip_version": 4, "cidr": cidr}
        self.subnet = self.ask.post("/networking/v2.0/subnets", {"subnet": subnet})["subnet"]["id"]
        return str(made)

    def router(self) -> str:
        return str(self.ask.post("/networking/v2.0/routers", {"router": {}})["router"]["id"])

    def connect(self, router: str, subnet: str, ok: int = 200) -> Any:
        path = f"/networking/v2.0/routers/{router}/add_router_interface"
        return self.ask("PUT", path, {"subnet_id": subnet}, ok=ok)

    def asked_for(self, *networks: str) -> str:
        nets = [{"network": each} for each in networks]
        body = {"image": "web:latest", "image_driver": "docker", "nets": nets, "memory": "64"}
        return str(self.ask("POST", "/container/v1/containers?run=true", body, ok=202).json()["uuid"])

    def container(self, *networks: str) -> dict[str, Any]:
        uuid = self.asked_for(*networks)
        self.running.settle()
        return self.show(uuid)

    def show(self, uuid: str) -> dict[str, Any]:
        """As an administrator sees it: the host too."""
        admin = self.running.seeded("stackyard-admin", **NEWEST)
        return dict(admin.get(f"/container/v1/containers/{uuid}?all_projects=true"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningCloud]:
    worlds = Worlds()
    teach(worlds.container)
    folder = tmp_path / "cloud"
    folder.mkdir()
    with cloud(folder, worlds=worlds, nodes=f"127.0.0.1:{free_port()}") as made:
        yield made


@pytest.fixture
def far(running: RunningCloud, tmp_path: Path) -> Iterator[Host]:
    """A second host beside the server's own, `testhost`, which takes no containers."""
    host = Host(running, tmp_path, "far")
    host.up()
    disabled(running.admin, "testhost")
    yield host
    host.down()


def disabled(admin: Persona, host: str) -> None:
    admin("PUT", f"/container/v1/services/disable?binary=zun-compute&host={host}")


def enabled(admin: Persona, host: str) -> None:
    admin("PUT", f"/container/v1/services/enable?binary=zun-compute&host={host}")


def test_a_container_runs_on_a_host_behind_tls(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    made = tenant.container(tenant.network())
    assert (made["status"], made["host"]) == ("Running", "far")
    assert far.runs() == [made["uuid"]]
    hosts = running.admin.get("/container/v1/hosts")["hosts"]
    assert sorted(each["hostname"] for each in hosts) == ["far", "testhost"]


def test_a_host_that_is_gone_shows_down_and_gets_no_work(running: RunningCloud, far: Host) -> None:
    far.down()
    services = running.admin.get("/container/v1/services")["services"]
    assert {each["host"]: each["state"] for each in services} == {"far": "down", "testhost": "up"}
    tenant = Tenant(running, "alpha")
    made = tenant.container(tenant.network())
    assert made["status"] == "Error"
    assert "far: its node is down" in made["status_reason"]


def test_work_for_a_host_that_is_gone_waits_and_goes_on_when_it_is_back(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    made = tenant.container(tenant.network())
    far.down()
    tenant.ask("POST", f"/container/v1/containers/{made['uuid']}/stop", ok=202)
    waiting = tenant.show(made["uuid"])
    assert (waiting["status"], waiting["task_state"]) == ("Running", "container_stopping")
    far.up()
    running.settle()
    assert tenant.show(made["uuid"])["status"] == "Stopped"


def test_a_server_that_restarts_finds_its_hosts_and_their_containers(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    made = tenant.container(tenant.network())
    running.restart()
    assert running.cloud.nodes.wait_for("far", 30)
    running.cloud.reconcilers.run_once("containers")
    assert tenant.show(made["uuid"])["status"] == "Running"
    assert not running.cloud.reconcilers.mismatches()


def test_containers_of_one_network_are_on_one_host(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    network = tenant.network()
    assert tenant.container(network)["host"] == "far"
    enabled(running.admin, "testhost")
    assert {tenant.container(network)["host"] for _ in range(4)} == {"far"}
    disabled(running.admin, "far")
    refused = tenant.container(network)
    assert refused["status"] == "Error"
    assert f"testhost: its network {network} lives on host far" in refused["status_reason"]


def test_a_network_that_is_empty_again_lives_nowhere(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    network = tenant.network()
    made = tenant.container(network)
    tenant.ask("DELETE", f"/container/v1/containers/{made['uuid']}?stop=true", ok=204)
    running.settle()
    enabled(running.admin, "testhost")
    disabled(running.admin, "far")
    assert tenant.container(network)["host"] == "testhost"


def test_a_router_follows_the_containers_of_its_networks(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    router = tenant.router()
    running.cloud.reconcilers.run_once("network")
    network = tenant.network()
    tenant.container(network)
    tenant.connect(router, tenant.subnet)
    running.cloud.reconcilers.run_once("network")
    networks = FakeNetworks("far", far.worlds.network).inventory()
    assert [each.id for each in networks.routers] == [router]
    assert not running.cloud.reconcilers.mismatches()


def test_networks_on_two_hosts_cannot_be_connected(running: RunningCloud, far: Host) -> None:
    tenant = Tenant(running, "alpha")
    first = tenant.network()
    first_subnet = tenant.subnet
    tenant.container(first)
    enabled(running.admin, "testhost")
    disabled(running.admin, "far")
    second = tenant.network("10.2.0.0/24")
    assert tenant.container(second)["host"] == "testhost"
    router = tenant.router()
    tenant.connect(router, first_subnet)
    refused = tenant.connect(router, tenant.subnet, ok=409)
    assert "networks do not reach across hosts yet" in refused.text
    both = tenant.container(first, second)
    assert both["status"] == "Error"
    assert f"its network {first} lives on host far" in both["status_reason"]


def test_what_the_node_says_of_itself_is_under_the_name_it_joined_with(running: RunningCloud, far: Host) -> None:
    [state] = [each for each in running.cloud.nodes.states() if each.name == "far"]
    assert state.facts == msgspec.structs.replace(FACTS, hostname="far")
