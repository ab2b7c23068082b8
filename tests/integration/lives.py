"""A cloud's whole life on a host of its own: run in namespaces where nobody else changes links, mounts or /run.

Usage: python -m tests.integration.lives <how>. Prints what is different on the host afterwards, a line each.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import httpx

from stackyard.kernel.journal.crash import AFTER_EFFECT
from stackyard.testing.host_snapshot import differences, snapshot
from stackyard.testing.real_cloud import RealCloud, real_cloud
from tests.integration.tenant import Tenant, web
from tests.integration.test_tenants import soon_fetched

#: What the user of the host has there already: a Docker bridge with an address, and a firewall of both makes.
USERS_OWN = """
ip link set lo up
ip link add docker0 type bridge
ip link set docker0 addrgenmode none
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
nft add table ip nat
nft add chain ip nat POSTROUTING { type nat hook postrouting priority 100 ; }
nft add rule ip nat POSTROUTING ip saddr 172.17.0.0/16 oifname != docker0 masquerade
nft add table inet mine
nft add chain inet mine forward { type filter hook forward priority 0 ; policy accept ; }
nft add rule inet mine forward tcp dport 23 counter drop
"""


def used(cloud: RealCloud) -> Tenant:
    """Up, with a router, a floating IP and containers in every state."""
    cloud.up()
    tenant = Tenant.of(cloud, "alpha")
    tenant.router()
    server = tenant.container(web("alive"), security_groups=[tenant.group("web", 80)])
    assert soon_fetched(tenant.floating_ip(server)) == "alive"
    tenant.container(run=False)
    paused = tenant.container()
    tenant.act(paused, "pause")
    tenant.wait_for(paused, "Paused")
    return tenant


def simply(cloud: RealCloud) -> None:
    used(cloud)


def down_first(cloud: RealCloud) -> None:
    used(cloud)
    cloud.down()


def server_killed(cloud: RealCloud) -> None:
    used(cloud)
    cloud.kill_server()


def engine_killed(cloud: RealCloud) -> None:
    used(cloud)
    cloud.kill_engine()


def all_killed_in_the_midst(cloud: RealCloud) -> None:
    """A half-made container, a dead server and a dead engine."""
    tenant = used(cloud)
    with cloud.dying_at("create", "create in the engine", AFTER_EFFECT), suppress(httpx.TransportError):
        tenant.ask_for()
    cloud.kill_engine()


LIVES: Mapping[str, Callable[[RealCloud], None]] = {
    each.__name__: each for each in (simply, down_first, server_killed, engine_killed, all_killed_in_the_midst)
}


def leave_other_clouds() -> None:
    """Let go of the mounts of other clouds, of which this namespace got a copy, and of the folders where theirs are:
    they come and go while this life is lived."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(("/run/", "/tmp/", "/var/lib/")) and not Path.cwd().is_relative_to(place):
            subprocess.run(["umount", "--lazy", place], check=True)
    for place in ("/run", "/var/lib", "/opt"):
        if not Path(sys.executable).resolve().is_relative_to(place):
            subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)


def main(how: str) -> None:
    """Live, purge twice, and tell what is different."""
    leave_other_clouds()
    for line in USERS_OWN.strip().splitlines():
        subprocess.run(line.split(), check=True)
    with real_cloud() as cloud:
        # Control groups cannot be made private: those of other clouds on this machine come and go.
        mine = cloud.settings.cloud_id
        others = re.compile(f"control groups: (?!.*{mine})")
        before = snapshot()
        LIVES[how](cloud)
        during = differences(before, snapshot())
        assert any(mine in line for line in during) or how == "down_first", "the cloud was never there"
        assert not any(line.startswith("-") and "docker0" in line for line in during), during
        cloud.down(purge=True)
        cloud.down(purge=True)
        print(*(line for line in differences(before, snapshot()) if not others.search(line)), sep="\n", end="")
        assert not cloud.settings.state_dir.exists()


if __name__ == "__main__":
    main(sys.argv[1])
