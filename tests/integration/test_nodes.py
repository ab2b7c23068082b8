"""Real containers on three machines: the server's, and two in network namespaces that joined over TLS."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from stackyard.kernel.journal.crash import AFTER_EFFECT
from stackyard.testing.cloud import free_port
from stackyard.testing.real_cloud import RealCloud, eventually, real_cloud
from tests.integration.machines import Machine, machines
from tests.integration.tenant import Tenant, web

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[RealCloud, list[Machine]]]:
    with machines(2) as (switch, found), real_cloud(nodes=f"{switch.address}:{free_port()}") as cloud:
        cloud.up()
        for each in found:
            token = cloud.command("node", "token").stdout.strip()
            each.node("join", cloud.settings.nodes, "--token", token, "--name", each.name)
        service(cloud, "disable", own_host(cloud))
        yield cloud, found


@pytest.fixture
def cloud(rack: tuple[RealCloud, list[Machine]]) -> RealCloud:
    """The cloud with every machine connected and in service."""
    cloud, found = rack
    cloud.up()
    for each in found:
        each.plug()
        each.node("up")
        comes(cloud, each.name)
        service(cloud, "enable", each.name)
    return cloud


@pytest.fixture
def first(rack: tuple[RealCloud, list[Machine]]) -> Machine:
    return rack[1][0]


@pytest.fixture
def second(rack: tuple[RealCloud, list[Machine]]) -> Machine:
    return rack[1][1]


@pytest.fixture
def tenant(cloud: RealCloud) -> Iterator[Tenant]:
    found = Tenant.of(cloud, "alpha")
    yield found
    found.leave()


@pytest.fixture
def other(cloud: RealCloud) -> Iterator[Tenant]:
    found = Tenant.of(cloud, "beta")
    yield found
    found.leave()


def own_host(cloud: RealCloud) -> str:
    [name] = [each["name"] for each in cloud.status()["nodes"] if not each["name"].startswith("machine")]
    return str(name)


def service(cloud: RealCloud, verb: str, host: str) -> None:
    cloud.admin("PUT", f"/container/v1/services/{verb}?binary=zun-compute&host={host}", ok=200)


def is_connected(cloud: RealCloud, name: str) -> bool:
    return any(each["name"] == name and each["connected"] for each in cloud.status()["nodes"])


def comes(cloud: RealCloud, name: str) -> None:
    eventually(lambda: is_connected(cloud, name) or None, 30, f"{name} does not come")


def state(cloud: RealCloud, host: str) -> str:
    services = cloud.admin.get("/container/v1/services")["services"]
    return next(str(each["state"]) for each in services if each["host"] == host)


def only(cloud: RealCloud, machine: Machine, others: list[Machine]) -> None:
    """New containers go to this machine."""
    for each in others:
        service(cloud, "disable" if each is not machine else "enable", each.name)


def test_containers_run_on_the_machines_and_talk_to_one_another(
    cloud: RealCloud, first: Machine, second: Machine, tenant: Tenant, other: Tenant
) -> None:
    only(cloud, first, [first, second])
    server, client = tenant.container(web("from afar")), tenant.container()
    only(cloud, second, [first, second])
    elsewhere = other.container(web("further off"))
    fetched = tenant.execute(client, f"wget -q -O - http://{tenant.address(server)}/")
    assert (fetched[0], fetched[1].strip()) == (0, "from afar")
    told = other.execute(elsewhere, f"wget -q -O - http://{other.address(elsewhere)}/")[1]
    assert told.strip() == "further off"
    assert cloud.in_engine(server) == cloud.in_engine(elsewhere) == [], "not on the server's machine"
    cloud.agrees()


def test_a_machine_whose_cable_is_out_shows_down_within_seconds_and_its_work_waits(
    cloud: RealCloud, first: Machine, second: Machine, tenant: Tenant
) -> None:
    only(cloud, first, [first, second])
    container = tenant.container()
    first.unplug()
    began = time.monotonic()
    eventually(lambda: (state(cloud, first.name) == "down") or None, 15, "it stays up")
    assert time.monotonic() - began < 12
    tenant.act(container, "stop")
    time.sleep(1)
    assert tenant.show(container)["status"] == "Running"
    first.plug()
    tenant.wait_for(container, "Stopped")
    eventually(lambda: (state(cloud, first.name) == "up") or None, 30, "it stays down")
    cloud.agrees()


def test_a_node_killed_in_the_midst_of_creations_loses_none(
    cloud: RealCloud, first: Machine, second: Machine, tenant: Tenant
) -> None:
    only(cloud, first, [first, second])
    tenant.container()
    asked = [tenant.ask_for()["uuid"] for _ in range(3)]
    first.kill_node()
    eventually(lambda: (state(cloud, first.name) == "down") or None, 15, "it stays up")
    first.node("up")
    for each in asked:
        tenant.wait_for(each, "Running")
    cloud.agrees(30)


def test_a_server_killed_in_the_midst_of_a_call_goes_on_with_it(
    cloud: RealCloud, first: Machine, second: Machine, tenant: Tenant
) -> None:
    only(cloud, first, [first, second])
    running = tenant.container()
    with cloud.dying_at("create", "create in the engine", AFTER_EFFECT), suppress(httpx.TransportError):
        tenant.ask_for()
    cloud.up()
    cloud.settle(60)
    comes(cloud, first.name)
    assert tenant.execute(running, "true") == (0, "")
    cloud.agrees(30)


def test_a_revoked_machine_is_cut_off_and_may_join_again(cloud: RealCloud, second: Machine) -> None:
    done = cloud.command("node", "revoke", second.name)
    assert done.returncode == 0, done.stderr
    eventually(lambda: not is_connected(cloud, second.name) or None, 10, "it stays connected")
    time.sleep(2)
    assert not is_connected(cloud, second.name)
    assert "revoked" in cloud.command("node", "list").stdout
    second.node("down", "--grace", "1")
    token = cloud.command("node", "token").stdout.strip()
    second.node("join", cloud.settings.nodes, "--token", token, "--name", second.name)
    assert is_connected(cloud, second.name)


def test_tokens_that_let_nobody_in(cloud: RealCloud, second: Machine) -> None:
    second.node("down", "--grace", "1")
    token = cloud.command("node", "token", "--minutes", "0.0001").stdout.strip()
    for wrong, why in [(token, "expired"), (f"{token[:5]}.{'0' * 64}", "not one of the cloud"), ("x", "no join token")]:
        done = second.try_node("join", cloud.settings.nodes, "--token", wrong, "--name", "intruder")
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    assert "intruder" not in cloud.command("node", "list").stdout


def test_both_machines_at_once(cloud: RealCloud, tenant: Tenant, other: Tenant) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda each: each.container(), [tenant, tenant, other, other]))
    assert len(set(made)) == 4
    cloud.agrees()
