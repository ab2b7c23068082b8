"""Ten nodes, each in a network namespace of its own, on fake drivers: one cloud, and cables that are pulled."""

import socket
from functools import partial
from pathlib import Path

import pytest

from stackyard.hosts import netns
from stackyard.node.admission import Connect, dial
from stackyard.testing.cloud import Worlds, cloud, free_port
from tests.integration.machines import Machine, machines
from tests.node.conftest import wait_until
from tests.node.test_hosts import Host, Tenant, disabled
from tests.rooms.container.zun import teach

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def dial_from(machine: Machine) -> Connect:
    """Connections that leave through the machine's own interface."""

    def connect(address: str, timeout: float) -> socket.socket:
        return netns.inside(netns.path(machine.namespace), partial(dial, address, timeout))

    return connect


def test_ten_machines_share_the_work_and_half_of_them_falling_silent_stops_nobody_else(tmp_path: Path) -> None:
    worlds, folder = Worlds(), tmp_path / "cloud"
    teach(worlds.container)
    folder.mkdir()
    with (
        machines(10) as (switch, found),
        cloud(folder, worlds=worlds, nodes=f"{switch.address}:{free_port()}") as running,
    ):
        hosts = [Host(running, tmp_path, machine.name, dial_from(machine)) for machine in found]
        try:
            for each in hosts:
                each.up()
            disabled(running.admin, "testhost")
            tenants = [Tenant(running, f"tenant{number}") for number in range(10)]
            made = [each.asked_for(each.network()) for each in tenants]
            running.settle()
            assert sorted(uuid for each in hosts for uuid in each.runs()) == sorted(made)
            assert all(each.runs() for each in hosts)
            for machine in found[:5]:
                machine.unplug()
            wait_until(lambda: len(running.cloud.nodes.names()) == 6, 15)
            late = Tenant(running, "late")
            assert late.container(late.network())["host"] in {machine.name for machine in found[5:]}
            for machine in found[:5]:
                machine.plug()
            wait_until(lambda: len(running.cloud.nodes.names()) == 11, 30)
            wait_until(lambda: not running.cloud.reconcilers.mismatches(), 15)
        finally:
            for each in hosts:
                if each.agent is not None:
                    each.agent.close()
