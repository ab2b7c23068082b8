"""What only a real engine shows: what a container is made of, and what survives whose death."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.hosts.dockerd import PrivateEngine
from stackyard.rooms.container import driver as contract
from stackyard.rooms.container.driver import ContainerSpec, Healthcheck, SandboxSpec, Status
from stackyard.rooms.container.drivers.docker import sandboxes
from stackyard.rooms.container.drivers.docker.driver import DockerDriver
from stackyard.testing.container_driver import GOES_ON, IMAGE, eventually, new_id, running, spec

pytestmark = pytest.mark.integration


@pytest.fixture
def driver(engine: PrivateEngine) -> Iterator[DockerDriver]:
    driver = DockerDriver(engine.url, cloud="one")
    driver.build_busybox_image(IMAGE)
    yield driver
    driver.remove_all()
    driver.close()


def inside(driver: DockerDriver, id: str, script: str) -> str:
    """What a script prints in a container."""
    done = driver.execute(id, ["sh", "-c", script])
    assert done.exit_code == 0, done.output
    return done.output.decode().strip()


def test_the_first_instruction_finds_the_network_wired(driver: DockerDriver) -> None:
    id = new_id()
    sandbox = driver.ensure_sandbox(SandboxSpec(id=id))
    subprocess.run(["nsenter", f"--net={sandbox.netns}", "ip", "link", "add", "wired0", "type", "bridge"], check=True)
    driver.create(spec(id, ["ip", "-o", "link", "show", "wired0"]))
    driver.start(id)
    eventually(lambda: driver.inspect(id).status == Status.STOPPED)
    assert b"wired0" in driver.logs(id)
    assert driver.inspect(id).exit_code == 0


def test_the_sandbox_gives_hostname_resolvers_and_hosts(driver: DockerDriver) -> None:
    id = new_id()
    driver.ensure_sandbox(
        SandboxSpec(id=id, hostname="web", dns=["192.0.2.53"], dns_search=["lan"], extra_hosts={"web": "192.0.2.7"})
    )
    driver.create(spec(id))
    driver.start(id)
    assert inside(driver, id, "hostname") == "web"
    assert {"nameserver 192.0.2.53", "search lan"} <= set(inside(driver, id, "cat /etc/resolv.conf").splitlines())
    assert "192.0.2.7\tweb" in inside(driver, id, "cat /etc/hosts")


def test_a_sandbox_is_a_network_of_its_own_with_loopback_and_open_low_ports(driver: DockerDriver) -> None:
    id = running(driver)
    sandbox = driver.ensure_sandbox(SandboxSpec(id=id))
    shown = Path(sandbox.netns).readlink()
    assert shown != Path("/proc/self/ns/net").readlink()
    assert shown == Path(f"/proc/{driver.inspect(id).pid}/ns/net").readlink()
    assert inside(driver, id, "ls /sys/class/net") == "lo"
    assert "UP" in inside(driver, id, "ip link show lo")
    assert inside(driver, id, "cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start ping_group_range").split() == [
        "0", "0", "2147483647",
    ]  # fmt: skip


def test_nothing_starts_in_a_sandbox_that_is_still_in_the_hosts_network(
    driver: DockerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = new_id()
    driver.ensure_sandbox(SandboxSpec(id=id))
    driver.create(spec(id))
    monkeypatch.setattr(sandboxes, "command_line", lambda pid: ["/bin/busybox", "unshare", "-n"])
    assert not driver.inventory().sandboxes[0].running
    with pytest.raises(contract.SandboxNotReady):
        driver.start(id)


def test_what_was_asked_for_is_what_runs(driver: DockerDriver) -> None:
    id = new_id()
    driver.create(
        ContainerSpec(
            id=id,
            sandbox_id="",
            image=IMAGE,
            command=["exec sleep 1000"],
            entrypoint=["sh", "-c"],
            environment={"COLOUR": "blue"},
            workdir="/tmp",
            memory=64,
            cpu=0.5,
            labels={"colour": "blue", "stackyard.cloud": "forged"},
            interactive=True,
            healthcheck=Healthcheck(command="true", interval=0.1, retries=2),
        )
    )
    driver.start(id)
    assert inside(driver, id, "echo $COLOUR; pwd") == "blue\n/tmp"
    assert driver.stats(id).memory_limit == 64 << 20
    assert [each.id for each in driver.inventory().containers] == [id]
    eventually(lambda: driver.inspect(id).health == "healthy")


def test_a_container_has_no_dangerous_capability_and_gains_none(driver: DockerDriver) -> None:
    id = running(driver)
    capabilities = int(inside(driver, id, "grep CapBnd /proc/1/status").split()[1], 16)
    held = {name for bit, name in _CAPABILITIES.items() if capabilities >> bit & 1}
    assert held == {"NET_RAW"}
    assert inside(driver, id, "grep NoNewPrivs /proc/1/status").split()[1] == "1"


_CAPABILITIES = {12: "NET_ADMIN", 13: "NET_RAW", 16: "SYS_MODULE", 21: "SYS_ADMIN", 24: "SYS_RESOURCE", 27: "MKNOD"}


def test_memory_beyond_the_limit_ends_the_container_and_says_so(driver: DockerDriver) -> None:
    id = new_id()
    eats = ["sh", "-c", "tail /dev/zero"]
    driver.create(ContainerSpec(id=id, sandbox_id="", image=IMAGE, command=eats, memory=16))
    driver.start(id)
    eventually(lambda: driver.inspect(id).status == Status.STOPPED, within=20)
    assert driver.inspect(id).out_of_memory


def test_a_sandbox_that_died_is_revived_as_a_new_generation(driver: DockerDriver) -> None:
    id = running(driver)
    before = driver.ensure_sandbox(SandboxSpec(id=id))
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: not driver.inventory().sandboxes[0].running)
    driver.stop(id, timeout=0)
    with pytest.raises(contract.SandboxNotReady):
        driver.start(id)
    after = driver.ensure_sandbox(SandboxSpec(id=id))
    assert after.generation != before.generation
    assert driver.start(id).status == Status.RUNNING


def test_an_image_with_our_labels_makes_nobody_elses_container_ours(
    engine: PrivateEngine, driver: DockerDriver
) -> None:
    forged = ["--label", "stackyard.cloud=one", "--label", "stackyard.kind=container", "--label", "stackyard.id=x"]
    docker = ["docker", "-H", engine.url]
    subprocess.run(
        [*docker, "create", "--name", "theirs", "--net", "none", *forged, IMAGE], check=True, capture_output=True
    )
    try:
        assert driver.inventory().containers == []
        driver.remove_all()
        subprocess.run([*docker, "inspect", "theirs"], check=True, capture_output=True)
    finally:
        subprocess.run([*docker, "rm", "-f", "theirs"], check=True, capture_output=True)


#: A server that says after which call it waits to be killed.
_SERVER = """
import sys, time
from stackyard.rooms.container.driver import ContainerSpec, SandboxSpec
from stackyard.rooms.container.drivers.docker import sandboxes
from stackyard.rooms.container.drivers.docker.driver import DockerDriver
url, id, image, last = sys.argv[1:]
driver = DockerDriver(url, cloud="one")
for name, call in [
    ("sandbox", lambda: driver.ensure_sandbox(SandboxSpec(id=id))),
    ("create", lambda: driver.create(ContainerSpec(id=id, sandbox_id=id, image=image, command=["sleep", "1000"]))),
    ("start", lambda: driver.start(id)),
    ("stop", lambda: driver.stop(id, 0)),
    ("remove", lambda: driver.remove(id)),
]:
    call()
    if name == last:
        print("done", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("last", ["sandbox", "create", "start", "stop", "remove"])
def test_a_server_killed_after_any_call_is_succeeded_by_one_that_repeats_them(
    engine: PrivateEngine, driver: DockerDriver, last: str
) -> None:
    id = new_id()
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, engine.url, id, IMAGE, last], stdout=subprocess.PIPE, cwd=os.getcwd()
    )
    assert server.stdout is not None
    with server, server.stdout as said:
        assert said.readline() == b"done\n"
        server.kill()
    driver.ensure_sandbox(SandboxSpec(id=id))
    driver.create(spec(id))
    assert driver.start(id).status == Status.RUNNING
    found = driver.inventory()
    assert ([each.id for each in found.containers], [each.id for each in found.sandboxes]) == ([id], [id])


def test_containers_go_on_while_their_engine_is_killed_and_started_again(
    engine: PrivateEngine, driver: DockerDriver
) -> None:
    id = running(driver, GOES_ON)
    before, sandbox = driver.inspect(id), driver.ensure_sandbox(SandboxSpec(id=id))
    events = driver.events()
    os.kill(engine.start().pid, signal.SIGKILL)
    with pytest.raises(contract.EngineUnavailable):
        list(events)
    with pytest.raises(contract.EngineUnavailable):
        _until_it_fails(driver)
    os.kill(before.pid, 0)
    engine.start().wait_ready(within=30)
    assert driver.inspect(id) == before
    assert driver.ensure_sandbox(SandboxSpec(id=id)) == sandbox
    assert inside(driver, id, "echo still here") == "still here"
    assert driver.stop(id, timeout=0).status == Status.STOPPED


def _until_it_fails(driver: DockerDriver) -> None:
    """A killed engine's socket may take a moment to close."""
    for _ in range(200):
        driver.describe()
        time.sleep(0.01)
