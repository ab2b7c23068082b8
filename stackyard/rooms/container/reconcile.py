"""Repair without input: what the database wants of containers against what the hosts' engines have.

A container that ended by itself is restarted, removed or written down as its policy says; what the engine holds and nobody
wants is removed; ports that lost their wires are wired again. Hosts are written down as their nodes announce them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from stackyard.kernel.caller import service_caller
from stackyard.kernel.database import Record
from stackyard.kernel.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.work import Services, Work
from stackyard.rooms.container.driver import ContainerDriver, ContainerState, Inventory, NotFound
from stackyard.rooms.container.resources.container import store
from stackyard.rooms.container.resources.container.resource import CONTAINER
from stackyard.rooms.container.resources.host import rules as hosts
from stackyard.rooms.network import facade as network

CALLER = service_caller("reconciler")
#: States in which the engine's word counts; in others an operation is under way or a person is asked for.
_FOLLOWED = ("Created", "Running", "Stopped", "Paused")
#: A container that ran this long has recovered: the next restart comes at once again.
_RECOVERED = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(minutes=1)


def listen(services: Services) -> None:
    """Look again whenever an engine tells that something happened, or a host comes or goes."""
    services.nodes.subscribe("container", lambda host, event: services.signal("containers"))
    for topic in ("connected", "gone"):
        services.nodes.subscribe(topic, lambda host, event: services.signal("hosts"))
        services.nodes.subscribe(topic, lambda host, event: services.signal("containers"))


# -- hosts --


def register_hosts(services: Services) -> Report:
    """Write down what each connected node says of its host."""
    seen = [each for each in services.nodes.states() if each.connected]
    with services.database.write() as tx:
        work = services.work(tx, CALLER)
        for each in seen:
            hosts.register(work, each.facts)
    return Report(examined=len(seen))


# -- containers --


def run(services: Services) -> Report:
    """Bring every connected host's containers to what is wanted."""
    report = Report()
    for host in services.nodes.names():
        try:
            _repair_host(services, host, report)
        except (Transient, Refused) as error:
            report.failed.append(f"host {host}: {error}")
    return report


def check(services: Services) -> list[Mismatch]:
    """What `run` would mend."""
    found: list[Mismatch] = []
    for host in services.nodes.names():
        try:
            found += _mismatches(services, host)
        except (Transient, Refused) as error:
            found.append(Mismatch(kind="host", object_id=host, text=f"host {host} does not answer: {error}"))
    return found


def _mismatches(services: Services, host: str) -> Iterator[Mismatch]:
    inventory = _driver(services, host).inventory()
    wanted = _settled(services, host)
    real = {each.id: each for each in inventory.containers}
    for uuid, row in wanted.items():
        if row is not None and row.status in _FOLLOWED and _differs(row, real.get(uuid)):
            is_now = real[uuid].status if uuid in real else "gone from the engine"
            yield Mismatch(kind="container", object_id=uuid, text=f"container {uuid} is {row.status} here, {is_now} on {host}")
    for uuid in _strangers(inventory, wanted):
        yield Mismatch(kind="container", object_id=uuid, text=f"container or sandbox {uuid} on {host} belongs to nothing")
    for uuid in sorted(network.broken_devices(services, host) & _running(wanted)):
        yield Mismatch(kind="container", object_id=uuid, text=f"container {uuid} on {host} has lost its network")


def _driver(services: Services, host: str) -> ContainerDriver:
    return cast(ContainerDriver, services.nodes.driver(host, "container"))


def _settled(services: Services, host: str) -> dict[str, Record | None]:
    """The host's containers by id; None for those that an operation is working on."""
    with services.database.read() as tx:
        work = services.work(tx, CALLER)
        return {row.uuid: None if services.journal.running(work, row.uuid) else row for row in store.on_host(work, host)}


def _strangers(inventory: Inventory, wanted: dict[str, Record | None]) -> list[str]:
    there = {each.id for each in inventory.containers} | {each.id for each in inventory.sandboxes}
    return sorted(there - set(wanted))


def _running(wanted: dict[str, Record | None]) -> set[str]:
    return {uuid for uuid, row in wanted.items() if row is not None and row.status in ("Running", "Paused")}


def _differs(row: Record, state: ContainerState | None) -> bool:
    return state is None or state.status != row.status


def _repair_host(services: Services, host: str, report: Report) -> None:
    driver = _driver(services, host)
    # The inventory comes first: rows are made before engine objects, so that what has no row now is nobody's.
    inventory = driver.inventory()
    wanted = _settled(services, host)
    real = {each.id: each for each in inventory.containers}
    report.examined += len(wanted)
    for uuid in _strangers(inventory, wanted):
        if not _is_wanted(services, uuid):
            _remove_stranger(services, driver, host, uuid)
            report.repaired.append(f"removed {uuid} from {host}: it belongs to nothing")
    for uuid, row in wanted.items():
        if row is not None and row.status in _FOLLOWED and (_differs(row, real.get(uuid)) or _restart_is_due(services, row)):
            said = _settle(services, driver, uuid)
            report.repaired += [said] if said else []
    for uuid in sorted(network.broken_devices(services, host) & _running(wanted)):
        network.wire(services, host, uuid, _netns(inventory, uuid))
        report.repaired.append(f"wired container {uuid} on {host} again")


def _is_wanted(services: Services, uuid: str) -> bool:
    """A row may be on its way to a host: it has an engine object, and its host is not committed yet."""
    with services.database.read() as tx:
        return store.get(services.work(tx, CALLER), uuid) is not None


def _remove_stranger(services: Services, driver: ContainerDriver, host: str, uuid: str) -> None:
    driver.remove(uuid, True)
    network.unwire(services, host, uuid)
    driver.remove_sandbox(uuid)


def _netns(inventory: Inventory, uuid: str) -> str:
    return next((each.netns for each in inventory.sandboxes if each.id == uuid), "")


def _settle(services: Services, driver: ContainerDriver, uuid: str) -> str | None:
    """Look once more, and act on what is true now. Returns what was done."""
    try:
        state: ContainerState | None = driver.inspect(uuid)
    except NotFound:
        state = None
    with services.database.write() as tx:
        work = services.work(tx, CALLER)
        row = store.get(work, uuid)
        if row is None or row.status not in _FOLLOWED or services.journal.running(work, uuid):
            return None
        if state is None:
            return _gone(work, row)
        if state.status == row.status and not _restart_is_due(services, row):
            return None
        return _follow(work, row, state)


def _gone(work: Work, row: Record) -> str:
    if row.status in ("Running", "Paused") and _policy(row) in ("always", "unless-stopped", "on-failure"):
        work.event(row.uuid, "lost", "the engine has it no longer; its restart policy asks for it again")
        work.begin(CONTAINER, _as(work, row, "Stopped"), "revive")
        return f"container {row.uuid} was gone from its engine and is made anew"
    reason = "The container is gone from the engine of its host. Start it to make it anew, or delete it."
    store.change(work, row.uuid, status="Error", status_reason=reason, task_state=None)
    work.event(row.uuid, "lost", reason)
    return f"container {row.uuid} is gone from its engine"


def _follow(work: Work, row: Record, state: ContainerState) -> str | None:
    observed = _plain(state)
    if state.status == "Stopped" and row.status in ("Running", "Paused"):
        return _ended(work, row, observed)
    if state.status == "Stopped" and _restart_is_due(work.services, row):
        work.begin(CONTAINER, row, "revive")
        return f"container {row.uuid} is restarted as its policy asks"
    store.observe(work, row.uuid, observed)
    work.event(row.uuid, "changed", f"it was {row.status}, its engine says {state.status}")
    return f"container {row.uuid} was {row.status}, is {state.status}"


def _plain(state: ContainerState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("status", "error", "started_at", "finished_at", "exit_code")}


def _ended(work: Work, row: Record, observed: dict[str, Any]) -> str:
    """It ended by itself, or by another's hand."""
    code = observed["exit_code"]
    work.event(row.uuid, "ended", f"its first process ended with exit code {code}")
    if row.auto_remove:
        store.observe(work, row.uuid, observed, task_state="container_deleting")
        work.begin(CONTAINER, _as(work, row, "Stopped"), "delete")
        return f"container {row.uuid} ended with {code} and is removed, as it asked"
    restarts = 0 if _recovered(row, observed) else row.restarts or 0
    again = _asks_for_restart(row, code, restarts)
    store.observe(work, row.uuid, observed, restarts=restarts + 1 if again else restarts, wanted="running" if again else "stopped")
    return f"container {row.uuid} ended with exit code {code}" + (", a restart follows" if again else "")


def _as(work: Work, row: Record, status: str) -> Record:
    store.change(work, row.uuid, status=status)
    return Record({**row, "status": status})


def _recovered(row: Record, observed: dict[str, Any]) -> bool:
    if not observed["started_at"] or not observed["finished_at"]:
        return False
    ran = datetime.fromisoformat(observed["finished_at"]) - datetime.fromisoformat(observed["started_at"])
    return ran > _RECOVERED


def _policy(row: Record) -> str:
    return str((row.restart_policy or {}).get("Name", "no"))


def _asks_for_restart(row: Record, exit_code: int | None, restarts: int) -> bool:
    policy = _policy(row)
    if policy == "on-failure":
        most = int((row.restart_policy or {}).get("MaximumRetryCount") or 0)
        return bool(exit_code) and (not most or restarts < most)
    return policy in ("always", "unless-stopped")


def _restart_is_due(services: Services, row: Record) -> bool:
    """A stopped container that is wanted running waits a little longer after every failed run, at most a minute."""
    if row.status != "Stopped" or row.wanted != "running" or _policy(row) == "no":
        return False
    pause = min(timedelta(milliseconds=100) * 2 ** min(row.restarts or 0, 12), _LONGEST_PAUSE)
    return row.finished_at is None or services.clock.now() - row.finished_at >= pause


RECONCILERS = [
    Reconciler(
        name="hosts", run=register_hosts, check=lambda services: [], every=timedelta(seconds=20),
        doc="Writes down what each node says of its host.",
    ),
    Reconciler(
        name="containers", run=run, check=check, every=timedelta(seconds=5),
        doc="Follows what engines say of containers: restarts, removes, rewires, and clears what belongs to nothing.",
    ),
]
