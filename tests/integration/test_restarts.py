"""The server away, down, up, up again, and the host rebooted: what runs goes on, what was asked for comes back."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stackyard.hosts import netns
from stackyard.testing.real_cloud import RealCloud, eventually
from tests.integration.tenant import IDLE, Tenant, web

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

#: Echoes lines: what a connection carries before, during and after.
ECHO = ["sh", "-c", "trap exit TERM; nc -ll -p 7000 -e cat & wait"]


@contextmanager
def connection(address: str, port: int) -> Iterator[socket.socket]:
    """A TCP connection from this host, as soon as somebody listens."""
    opened = eventually(lambda: _connected(address, port), 15, f"nobody listens on {address} port {port}")
    with opened:
        yield opened


def _connected(address: str, port: int) -> socket.socket | None:
    try:
        return socket.create_connection((address, port), timeout=5)
    except OSError:
        return None


def echoes(connection: socket.socket, said: bytes) -> bool:
    """Whether what is said comes back, within the connection's timeout."""
    connection.sendall(said)
    heard = b""
    with suppress(TimeoutError):
        while len(heard) < len(said) and (more := connection.recv(100)):
            heard += more
    return heard == said


def reached(tenant: Tenant, *ports: int, command: list[str]) -> tuple[str, str]:
    """A container behind a router, reached from the host by a floating IP: its id and that address."""
    tenant.router()
    container = tenant.container(command, security_groups=[tenant.group("reached", *ports)])
    return container, tenant.floating_ip(container)


def test_connections_go_on_while_the_server_is_away_and_when_it_is_back(cloud: RealCloud, tenant: Tenant) -> None:
    container, address = reached(tenant, 7000, command=ECHO)
    began = cloud.in_engine(container)
    with connection(address, 7000) as flow:
        assert echoes(flow, b"before")
        cloud.kill_server()
        assert echoes(flow, b"while it is away")
        cloud.up()
        assert echoes(flow, b"when it is back")
        cloud.repair()
        assert echoes(flow, b"when everything was looked at")
    assert tenant.show(container)["status"] == "Running"
    now = cloud.in_engine(container)
    assert {each["Id"] for each in now} == {each["Id"] for each in began}, "nothing was made anew"
    cloud.agrees()


def test_connections_go_on_when_the_engine_is_killed_and_comes_back(cloud: RealCloud, tenant: Tenant) -> None:
    container, address = reached(tenant, 7000, command=ECHO)
    with connection(address, 7000) as flow:
        assert echoes(flow, b"before")
        cloud.kill_server()
        cloud.kill_engine()
        cloud.up()
        assert echoes(flow, b"after")
    assert tenant.execute(container, "true") == (0, "")
    cloud.agrees()


def test_up_twice_and_down_twice_do_no_harm(cloud: RealCloud) -> None:
    pid = cloud.status()["pid"]
    assert f"pid {pid}" in cloud.up()
    cloud.down()
    cloud.down()
    assert cloud.is_dead()
    cloud.up()
    assert cloud.status()["pid"] != pid
    cloud.agrees()


def test_after_down_and_up_the_cloud_is_as_it_was(cloud: RealCloud, tenant: Tenant) -> None:
    restarts = tenant.container(web("back"), restart_policy={"Name": "always"})
    stays = tenant.container()
    created = tenant.container(run=False)
    cloud.down()
    assert not list(Path("/run/netns").glob(f"*{cloud.settings.cloud_id}*"))
    cloud.up()
    assert tenant.wait_for(restarts, "Running")
    assert tenant.wait_for(stays, "Stopped")
    assert tenant.wait_for(created, "Created")
    assert "back" in tenant.execute(restarts, f"wget -q -O - http://{tenant.address(restarts)}/")[1]
    cloud.agrees()


#: Writes down whether the network was there at its first instruction.
FIRST = ["sh", "-c", "ip -4 -o address show eth0 >>/seen || echo none >>/seen; trap exit TERM; sleep 10000 & wait"]


def test_after_a_reboot_containers_start_as_their_policy_asks_and_wired_first(
    cloud: RealCloud, tenant: Tenant
) -> None:
    always = tenant.container(FIRST, restart_policy={"Name": "always"})
    unless = tenant.container(FIRST, restart_policy={"Name": "unless-stopped"})
    failing = tenant.container(IDLE, restart_policy={"Name": "on-failure", "MaximumRetryCount": "3"})
    plain = tenant.container(IDLE)
    stopped = tenant.container(IDLE, restart_policy={"Name": "always"})
    tenant.act(stopped, "stop")
    tenant.wait_for(stopped, "Stopped")
    reboot(cloud)
    cloud.up()
    for container in (always, unless):
        tenant.wait_for(container, "Running")
        seen = tenant.execute(container, "cat /seen")[1].splitlines()
        assert len(seen) == 2, "it was started once before and once after"
        assert all(f"{tenant.address(container)}/24" in line for line in seen)
    tenant.wait_for(failing, "Running")
    tenant.wait_for(plain, "Stopped")
    tenant.wait_for(stopped, "Stopped")
    assert tenant.execute(always, f"ping -c 1 -W 2 {tenant.address(unless)}")[0] == 0
    cloud.agrees()
    # It stays so: nothing follows late.
    time.sleep(6)
    assert tenant.show(plain)["status"] == tenant.show(stopped)["status"] == "Stopped"


def reboot(cloud: RealCloud) -> None:
    """What a reboot takes from the host of what this cloud has there, and in the way a power cut would. Only control
    groups stay, empty, which is worse: their limits are in force when containers begin again."""
    cloud.kill_server()
    cloud.kill_engine()
    _end_processes(cloud)
    for name in netns.names(f"stackyard-{cloud.settings.cloud_id}-"):
        netns.remove(name)
    for link in _links(cloud.settings.cloud_id):
        subprocess.run(["ip", "link", "delete", link], check=False)
    subprocess.run(["nft", "delete", "table", "inet", f"stackyard_{cloud.settings.cloud_id}"], check=False)
    for line in sorted(Path("/proc/self/mounts").read_text().splitlines(), reverse=True):
        place = line.split()[1]
        if place.startswith((str(cloud.settings.run_dir), str(cloud.settings.state_dir))):
            subprocess.run(["umount", "--lazy", place], check=True)
    subprocess.run(["rm", "-rf", str(cloud.settings.run_dir)], check=True)


def _end_processes(cloud: RealCloud) -> None:
    """All that runs in the engine's control group, its containerd and its shims, which carry its folder's name."""
    mine = str(cloud.settings.run_dir)

    def all_ended() -> bool | None:
        found = [*_in_control_groups(cloud), *_naming(mine)]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        return not found or None

    eventually(all_ended, 15, "processes of the cloud stay")


def _in_control_groups(cloud: RealCloud) -> Iterator[int]:
    for top in Path("/sys/fs/cgroup").glob(f"**/stackyard-{cloud.settings.cloud_id}"):
        for file in top.glob("**/cgroup.procs"):
            with suppress(OSError):
                yield from map(int, file.read_text().split())


def _naming(path: str) -> Iterator[int]:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = each.read_bytes().split(b"\0")
            if b"containerd" in words[0] and any(path.encode() in word for word in words):
                yield int(each.parent.name)


def _links(cloud_id: str) -> list[str]:
    listed = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0].partition("@")[0] for line in listed.splitlines()]
    return [name for name in names if name.startswith((f"sy{cloud_id}-", f"sye-{cloud_id}"))]
