"""The native driver after crashes, restarts and damage: everything comes back, what runs is not interrupted."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import pytest

from stackyard.hosts import netns, nft
from stackyard.rooms.network.driver import (
    FloatingSpec,
    GroupSpec,
    HostFailure,
    NamespaceGone,
    NetworkDriver,
    NetworkSpec,
    PortSpec,
    RouterSpec,
    RuleSpec,
)
from stackyard.rooms.network.drivers.native.links import Netlink
from stackyard.testing.network_driver import a_group, a_port, a_router, an_external_network, faults, new_id
from tests.rooms.network.drivers.packets import MOMENT, Container, PretendHost, echoes

pytestmark = pytest.mark.integration

#: Of the changes that building makes, every fifth is enough for a run of the whole suite.
STRIDE = 5
WEB = RuleSpec(id="web", direction="ingress", ethertype="IPv4", protocol="tcp", port_min=80, port_max=80)


class Site:
    """A network with two containers, of which the second serves on port 80, behind a router with a floating address."""

    def __init__(self, host: PretendHost) -> None:
        self.host = host
        self.network, self.external = NetworkSpec(id=new_id()), an_external_network()
        plain = a_group()
        self.group: GroupSpec = msgspec.structs.replace(plain, rules=[*plain.rules, WEB])
        self.client, self.server = host.container(), host.container()
        self.ports: list[tuple[PortSpec, Container]] = [
            (a_port(self.network.id, 5, groups=[self.group.id]), self.client),
            (a_port(self.network.id, 6, groups=[self.group.id]), self.server),
        ]
        floating = [FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.0.6")]
        self.router: RouterSpec = a_router(self.network.id, self.external.id, floating=floating)
        self.server.listen(80)

    def build(self, driver: NetworkDriver) -> None:
        """Everything, in the order an operation would do it."""
        driver.ensure_network(self.network)
        driver.ensure_network(self.external)
        driver.ensure_groups(self.network.id, [self.group])
        for port, container in self.ports:
            driver.ensure_port(port)
            driver.plug(port, str(container.path))
        driver.ensure_router(self.router)

    def works(self) -> bool:
        """Whether packets go where they should: between containers, and from the host to the floating address."""
        return self.client.reaches("10.0.0.6", 80) and self.host.reaches("203.0.113.20", 80)


@pytest.fixture
def site(pretend_host: PretendHost) -> Site:
    return Site(pretend_host)


def test_a_connection_outlives_the_driver_and_everything_being_ensured_again(site: Site) -> None:
    site.build(site.host.driver())
    with site.client.connect("10.0.0.6", 80) as connection:
        assert echoes(connection)
        second = site.host.driver()
        assert faults(second.inventory()) == []
        assert echoes(connection)
        site.build(second)
        assert echoes(connection)
    assert site.works()


def test_a_restarted_container_gets_its_network_in_its_new_namespace(site: Site) -> None:
    driver = site.host.driver()
    site.build(driver)
    port, _ = site.ports[1]
    site.host.end_namespace(str(site.server.path))
    assert not site.client.reaches("10.0.0.6", 80, within=MOMENT)
    again = site.host.container()
    again.listen(80)
    driver.plug(port, str(again.path))
    assert site.works()


def test_a_restarted_container_gets_its_network_while_its_old_namespace_lingers(site: Site) -> None:
    driver = site.host.driver()
    site.build(driver)
    again = site.host.container()
    again.listen(80)
    driver.plug(site.ports[1][0], str(again.path))
    assert site.works()
    assert "eth0" not in site.server.run("ip", "-br", "link").stdout


def _damages() -> dict[str, Callable[[Site], Any]]:
    return {
        "bridge deleted": lambda site: site.host.damage_network(site.network.id),
        "bridge down": lambda site: site.host.inside_network(site.network.id, "ip", "link", "set", "bridge", "down"),
        "rules flushed": lambda site: site.host.inside_network(site.network.id, "nft", "flush", "ruleset"),
        "one chain flushed": lambda site: site.host.inside_network(
            site.network.id, "nft", "flush", "chain", "inet", "stackyard", f"group-{site.group.id}-in"
        ),
        "a set emptied": lambda site: site.host.inside_network(
            site.network.id, "nft", "flush", "set", "bridge", "stackyard", "macs"
        ),
        "bridge filter off": lambda site: site.host.inside_network(
            site.network.id, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"
        ),
        "namespace deleted": lambda site: netns.remove(site.host.names().network(site.network.id)),
        "router deleted": lambda site: netns.remove(site.host.names().router(site.router.id)),
        "host link deleted": lambda site: site.host.run(
            "ip", "link", "delete", site.host.names().host_link(site.external.id)
        ),
        "host table deleted": lambda site: site.host.run(
            "nft", "delete", "table", "inet", site.host.names().host_table
        ),
        "forwarding off": lambda site: site.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    }


@pytest.mark.parametrize("damage", _damages())
def test_damage_is_seen_and_mended(site: Site, damage: str) -> None:
    driver = site.host.driver()
    site.build(driver)
    _damages()[damage](site)
    assert faults(driver.inventory()) != []
    site.build(driver)
    assert faults(driver.inventory()) == []
    assert site.works()


@pytest.mark.parametrize("damage", ["bridge deleted", "rules flushed", "namespace deleted"])
def test_plugging_a_port_mends_what_it_stands_on(site: Site, damage: str) -> None:
    driver = site.host.driver()
    site.build(driver)
    _damages()[damage](site)
    for port, container in site.ports:
        driver.plug(port, str(container.path))
    assert site.client.reaches("10.0.0.6", 80)


class ServerDied(BaseException):
    """The process ends here."""


@contextmanager
def dying_at(call: int) -> Iterator[list[int]]:
    """Die before the host call of that number (changes by netlink and nft are counted); yields the count so far."""
    count = [0]
    lock = threading.Lock()
    changes = ["add_veth", "add_bridge", "set_link", "delete_link", "add_address", "replace_route"]
    originals: dict[tuple[Any, str], Any] = {(Netlink, name): getattr(Netlink, name) for name in changes}
    originals |= {(nft, "apply"): nft.apply, (netns, "create"): netns.create, (netns, "remove"): netns.remove}

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def body(*args: Any, **kwargs: Any) -> Any:
            with lock:
                count[0] += 1
                if count[0] == call:
                    raise ServerDied
            return original(*args, **kwargs)

        return body

    try:
        for (owner, name), original in originals.items():
            setattr(owner, name, counted(original))
        yield count
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)


@pytest.mark.parametrize("first", [1, 2])
def test_building_survives_a_crash_before_a_change_of_the_host(site: Site, first: int) -> None:
    call, finished = first, False
    while not finished:
        with dying_at(call), suppress(ServerDied):
            site.build(site.host.driver())
            finished = True
        successor = site.host.driver()
        site.build(successor)
        assert faults(successor.inventory()) == [], f"after a crash before change {call}"
        assert site.works(), f"after a crash before change {call}"
        successor.remove_all()
        call += STRIDE
    assert call > 20


def test_removing_survives_a_crash_before_every_change_of_the_host(site: Site) -> None:
    call, finished = 1, False
    before = site.host.looks()
    while not finished:
        site.build(site.host.driver())
        with dying_at(call), suppress(ServerDied):
            site.host.driver().remove_all()
            finished = True
        site.host.driver().remove_all()
        assert site.host.looks() == before, f"after a crash before change {call}"
        call += 1
    assert call > 5


def test_a_change_cut_short_never_leaves_an_old_permission(site: Site) -> None:
    driver = site.host.driver()
    site.build(driver)
    closed = msgspec.structs.replace(site.group, rules=site.group.rules[:-1])
    with dying_at(1), pytest.raises(ServerDied):
        driver.ensure_groups(site.network.id, [closed])
    successor = site.host.driver()
    assert faults(successor.inventory()) != []
    successor.ensure_groups(site.network.id, [closed])
    assert not site.client.reaches("10.0.0.6", 80, within=MOMENT)


def test_a_failure_of_the_host_is_told_and_the_call_can_be_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = site.host.driver()
    site.build(driver)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostFailure, match="nft"):
        driver.ensure_groups(site.network.id, [])
    monkeypatch.undo()
    driver.ensure_groups(site.network.id, [site.group])
    assert site.works()


def test_what_nobody_knows_of_is_a_leftover_and_can_be_removed(site: Site) -> None:
    driver = site.host.driver()
    site.build(driver)
    stray = site.host.names().network(new_id())
    netns.create(stray)
    site.host.inside_network(site.network.id, "ip", "link", "add", "p00", "type", "veth", "peer", "name", "p01")
    assert len(driver.inventory().leftovers) == 3
    assert any(stray in name for name in driver.remove_leftovers())
    assert faults(driver.inventory()) == []
    assert not netns.exists(stray)
    assert site.works()


def test_ports_may_be_plugged_side_by_side(pretend_host: PretendHost) -> None:
    driver, networks = pretend_host.driver(), [NetworkSpec(id=new_id()) for _ in range(2)]
    group = a_group()
    for network in networks:
        driver.ensure_network(network)
        driver.ensure_groups(network.id, [group])
    containers = [pretend_host.container() for _ in range(12)]
    ports = [a_port(networks[n % 2].id, 5 + n, groups=[group.id]) for n in range(12)]
    failures: list[BaseException] = []

    def plug(port: PortSpec, container: Container) -> None:
        try:
            driver.plug(port, str(container.path))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=plug, args=pair) for pair in zip(ports, containers, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert faults(driver.inventory()) == []
    assert containers[0].pings("10.0.0.7")
    assert containers[11].pings("10.0.0.14")


def test_no_thread_that_calls_the_driver_changes_its_namespace(site: Site) -> None:
    def here() -> int:
        return os.stat("/proc/thread-self/ns/net").st_ino

    def work() -> bool:
        before = here()
        site.build(driver)
        with suppress(NamespaceGone):
            driver.plug(site.ports[0][0], "/nowhere")
        return here() == before

    driver = site.host.driver()
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert [done.result() for done in [pool.submit(work) for _ in range(3)]] == [True, True, True]
    assert faults(driver.inventory()) == []
