"""Whatever a project does, in whatever order: no answer is an accident, and the host ends as the rows say."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stackyard.testing.cloud import RunningCloud, cloud
from tests.rooms.network.neutron import BASE, Neutron

STEPS = 120


class Walk:
    """A project that does things at random; `undone` is what must be undone to leave nothing."""

    def __init__(self, tenant: Neutron, choice: random.Random) -> None:
        self.tenant = tenant
        self.choice = choice
        self.public = tenant.public()
        self.actions: list[Callable[[], httpx.Response | None]] = [
            lambda: self.post("networks", {}),
            lambda: self.post("routers", {"external_gateway_info": choice.choice([None, {"network_id": self.public}])}),
            lambda: self.post("security-groups", {"name": "g"}),
            self.add_subnet,
            self.add_port,
            self.add_rule,
            self.connect,
            self.connect,
            self.disconnect,
            self.add_floating,
            self.move_floating,
            self.rewire,
            self.remove,
        ]

    def step(self) -> None:
        """One action. Refusals are fine, accidents are not."""
        answer = self.choice.choice(self.actions)()
        assert answer is None or answer.status_code < 500, answer.text

    def own(self, collection: str) -> list[dict[str, Any]]:
        return self.tenant.list(collection, f"project_id={self.tenant.project_id}")

    def one(self, collection: str) -> str:
        found = self.own(collection)
        return str(self.choice.choice(found)["id"]) if found else "00000000-0000-4000-8000-000000000000"

    def post(self, collection: str, attributes: dict[str, Any]) -> httpx.Response:
        name = collection.removesuffix("s").replace("-", "_")
        return self.tenant.persona("POST", f"{BASE}/{collection}", {name: attributes})

    def add_subnet(self) -> httpx.Response:
        cidr = self.choice.choice(["10.0.0.0/29", "10.0.1.0/29", "fd00::/64", "fd00:1::/64"])
        mode = self.choice.choice([{}, {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}])
        more = mode if ":" in cidr else {"gateway_ip": self.choice.choice([None, cidr.replace(".0/29", ".3")])}
        version = 6 if ":" in cidr else 4
        return self.post("subnets", {"network_id": self.one("networks"), "ip_version": version, "cidr": cidr, **more})

    def add_port(self) -> httpx.Response:
        return self.post("ports", {"network_id": self.one("networks")})

    def add_rule(self) -> httpx.Response:
        wanted = {"security_group_id": self.one("security-groups"), "direction": "ingress", "protocol": "tcp"}
        return self.post("security-group-rules", {**wanted, "remote_group_id": self.one("security-groups")})

    def connect(self) -> httpx.Response:
        body = self.choice.choice([{"subnet_id": self.one("subnets")}, {"port_id": self.one("ports")}])
        return self.tenant.connect(self.one("routers"), **body)

    def disconnect(self) -> httpx.Response:
        return self.tenant.disconnect(self.one("routers"), subnet_id=self.one("subnets"))

    def add_floating(self) -> httpx.Response:
        port = self.choice.choice([None, self.one("ports")])
        return self.post("floatingips", {"floating_network_id": self.public, "port_id": port})

    def move_floating(self) -> httpx.Response:
        port = self.choice.choice([None, self.one("ports")])
        return self.tenant.put("floatingips", self.one("floatingips"), port_id=port)

    def rewire(self) -> httpx.Response:
        groups = [self.one("security-groups")]
        attributes = self.choice.choice(
            [{"security_groups": groups}, {"fixed_ips": [{"subnet_id": self.one("subnets")}]}]
        )
        return self.tenant.put("ports", self.one("ports"), **attributes)

    def remove(self) -> httpx.Response:
        collection = self.choice.choice(["networks", "subnets", "ports", "routers", "floatingips", "security-groups"])
        return self.tenant.delete(collection, self.one(collection))

    def leave(self) -> None:
        """Everything is undone in the order that always works."""
        for each in self.own("floatingips"):
            self.tenant.gone("floatingips", each["id"])
        for router in self.own("routers"):
            for port in self.tenant.list("ports", f"device_id={router['id']}"):
                assert self.tenant.disconnect(router["id"], port_id=port["id"]).status_code == 200
            self.tenant.gone("routers", router["id"])
        for collection in ("ports", "networks"):
            for each in self.own(collection):
                self.tenant.gone(collection, each["id"])
        assert self.own("subnets") == []


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud where nothing happens in the background."""
    with cloud(Path(tmp_path_factory.mktemp("walk")), threads=0) as running:
        yield running


@pytest.mark.parametrize("seed", [0, *(pytest.param(each, marks=pytest.mark.thorough) for each in (1, 2, 3))])
def test_a_random_walk_ends_with_a_host_as_the_rows_say(still: RunningCloud, seed: int) -> None:
    walk = Walk(Neutron(still.persona(f"walker-{seed}")), random.Random(seed))
    reconcilers, world = still.cloud.reconcilers, still.worlds.network.clouds
    for index in range(STEPS):
        walk.step()
        if index % 20 == 19:
            assert reconcilers.run_once("network").failed == []
    assert reconcilers.run_once("network").failed == []
    assert [each.text for each in reconcilers.mismatches() if each.kind in ("network", "port", "router")] == []
    walk.leave()
    assert reconcilers.run_once("network").failed == []
    reconcilers.run_once("network")
    real = world[still.settings.cloud_id]
    assert len(real.routers) == 1, "the demo router is all that is left"
    assert len(real.networks) == 2
