"""The reconciler `network`: hosts become as the rows say, whatever happened to them behind our back.

Woken by a change it applies what changed; on its period, at start and when run by hand it looks at every host.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.work import Services, Work
from stackyard.rooms.network import homes, specs
from stackyard.rooms.network.dataplane import ROOM, Dataplane
from stackyard.rooms.network.driver import Inventory, NetworkDriverError, RouterSpec, fingerprint
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store as router_store

PERIOD = timedelta(seconds=30)


def run(services: Services) -> Report:
    """Make every connected host as the rows say; reports what was done and what could not be."""
    plane: Dataplane = services.bound[ROOM]
    networks, routers = plane.take_changed()
    hosts = services.nodes.names()
    _place_routers(plane, hosts)
    looking = not (networks or routers) or plane.look_is_due(services.clock.now(), PERIOD)
    if looking:
        plane.looked(services.clock.now())
    report = Report()
    for host in hosts:
        try:
            _run_on(plane, host, None if looking else (networks, routers), report)
        except (NetworkDriverError, Transient, Refused) as failure:
            report.failed.append(f"{host}: {failure}")
    return report


def _place_routers(plane: Dataplane, hosts: list[str]) -> None:
    with plane.reading() as work:
        unplaced = router_store.unplaced(work)
    if hosts and unplaced:
        plane.write(lambda work: homes.place_routers(work, hosts))


def _run_on(plane: Dataplane, host: str, changed: tuple[set[str], set[str]] | None, report: Report) -> None:
    with plane.reading() as work:
        wanted = specs.networks_on(work, host)
        placed = router_store.on_host(work, host)
    if changed is None:
        inventory = plane.look(host)
        networks = wanted | {each.id for each in inventory.networks} | {each.network_id for each in inventory.ports}
        routers = {*placed, *(each.id for each in inventory.routers)}
        _sweep(plane, host, inventory, report)
    else:
        networks, routers = changed
        with plane.reading() as work:
            networks = networks | {port.network_id for each in routers for port in port_store.of_router(work, each)}
    report.examined += len(networks) + len(routers)
    apply = partial(plane.apply_network, host, looked=changed is None)
    # A router needs its networks first, and must let go of a network before that is removed.
    _each(sorted(networks & wanted), apply, "network", host, report)
    for router_id in sorted(routers):
        _apply_router(plane, host, router_id, report)
    _each(sorted(networks - wanted), apply, "network", host, report)


def _apply_router(plane: Dataplane, host: str, router_id: str, report: Report) -> None:
    failures = len(report.failed)
    _each([router_id], lambda each: plane.apply_router(host, each), "router", host, report)
    plane.router_is(router_id, "ERROR" if len(report.failed) > failures else "ACTIVE", host)


def _each(ids: Iterable[str], apply: Callable[[str], list[str]], kind: str, host: str, report: Report) -> None:
    """Apply each; one that fails does not keep the others from being applied."""
    for object_id in ids:
        try:
            report.repaired += apply(object_id)
        except (NetworkDriverError, Transient, Refused) as failure:
            report.failed.append(f"{kind} {object_id} on {host}: {failure}")


def _sweep(plane: Dataplane, host: str, inventory: Inventory, report: Report) -> None:
    """Remove leftovers that were there at the last look too: a new one may be something just being made."""
    if plane.lasting(host, inventory.leftovers):
        report.repaired += [f"{each} was removed from {host}" for each in plane.driver(host).remove_leftovers()]


@dataclass(frozen=True)
class Wanted:
    """All that a host should have."""

    networks: Mapping[str, specs.NetworkPlan]
    routers: Mapping[str, RouterSpec]

    @classmethod
    def on(cls, work: Work, host: str) -> "Wanted":
        """From the rows."""
        plans = {each: specs.network_plan(work, host, each) for each in specs.networks_on(work, host)}
        routers = {each: specs.router_spec(work, each) for each in router_store.on_host(work, host)}
        return cls(
            {each: plan for each, plan in plans.items() if plan is not None},
            {each: spec for each, spec in routers.items() if spec is not None},
        )


def check(services: Services) -> list[Mismatch]:
    """How each host differs from the rows, as sentences."""
    plane: Dataplane = services.bound[ROOM]
    found: list[Mismatch] = []
    for host in services.nodes.names():
        try:
            inventory = plane.driver(host).inventory()
        except (NetworkDriverError, Transient, Refused) as failure:
            found.append(
                Mismatch(
                    kind="host", object_id=host, text=f"the networks of host {host} cannot be looked at: {failure}"
                )
            )
            continue
        with plane.reading() as work:
            wanted = Wanted.on(work, host)
        found += compare(host, wanted, inventory)
    return found


def compare(host: str, wanted: Wanted, real: Inventory) -> Iterator[Mismatch]:
    """Every difference between what a host should have and what it has."""
    ports = {each.port.id: fingerprint(each.port) for plan in wanted.networks.values() for each in plan.plugs}
    networks = {each: fingerprint(plan.network) for each, plan in wanted.networks.items()}
    routers = {each: fingerprint(spec) for each, spec in wanted.routers.items()}
    yield from _differences(
        "network", host, networks, {each.id: (each.fingerprint, each.faults) for each in real.networks}
    )
    for each in real.networks:
        if each.id in wanted.networks and _groups(wanted.networks[each.id]) != each.groups:
            yield Mismatch(
                kind="network", object_id=each.id, text=f"security groups on network {each.id} differ on {host}"
            )
    plugged = {
        each.id: (each.fingerprint, each.faults + ([] if each.plugged else ["not plugged in"])) for each in real.ports
    }
    yield from _differences("port", host, ports, plugged)
    yield from _differences(
        "router", host, routers, {each.id: (each.fingerprint, each.faults) for each in real.routers}
    )
    for left in real.leftovers:
        yield Mismatch(kind="leftover", object_id=left, text=f"{left} on {host} belongs to nothing")


def _groups(plan: specs.NetworkPlan) -> dict[str, str]:
    return {each.id: fingerprint(each) for each in plan.groups}


def _differences(
    kind: str, host: str, wanted: Mapping[str, str], real: Mapping[str, tuple[str, list[str]]]
) -> Iterator[Mismatch]:
    for object_id in sorted({*wanted, *real}):
        text = _difference(object_id, wanted, real)
        if text:
            yield Mismatch(kind=kind, object_id=object_id, text=f"{kind} {object_id} {text} on {host}")


def _difference(object_id: str, wanted: Mapping[str, str], real: Mapping[str, tuple[str, list[str]]]) -> str | None:
    if object_id not in real:
        return "is missing"
    if object_id not in wanted:
        return "is there, but wanted by nothing"
    mark, faults = real[object_id]
    if faults:
        return f"is damaged ({'; '.join(faults)})"
    return None if mark == wanted[object_id] else "is not as it should be"


RECONCILER = Reconciler(
    name=ROOM,
    run=run,
    check=check,
    every=PERIOD,
    doc="Networks, ports, security groups and routers on every host are as the database says.",
)
