"""Repair without input: what the database wants of containers against what the hosts' engines have.

A container that ended by itself is restarted, removed or written down as its policy says; what the engine holds and
nobody wants is removed; ports that lost their wires are wired again. Hosts are written down as their nodes announce
them.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeGuard, cast

from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import ApiError
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.container.driver import ContainerDriver, ContainerState, Inventory, NotFound
from stackyard.rooms.container.resources.container import copies, store
from stackyard.rooms.container.resources.container.resource import CONTAINER
from stackyard.rooms.container.resources.host import placing
from stackyard.rooms.container.resources.host import rules as hosts
from stackyard.rooms.network import facade as network

CALLER = service_caller("reconciler")
#: States in which the engine's word counts; in others an operation is under way or a person is asked for.
_FOLLOWED = ("Created", "Running", "Stopped", "Paused", "Dead")
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
    report = Report()
    for each in services.nodes.states():
        if each.connected:
            report.examined += 1
            _register(services, each.facts, report)
    return report


def _register(services: Services, facts: Any, report: Report) -> None:
    try:
        with services.database.write() as tx:
            hosts.register(services.work(tx, CALLER), facts)
    except ApiError as error:
        report.failed.append(f"host {facts.hostname}: {error}")


# -- what containers claim of hosts --


def settle_claims(services: Services) -> Report:
    """Make claims what containers' rows say."""
    report = Report()
    with services.database.read() as tx:
        found = list(placing.differences(services.work(tx, CALLER)))
    for uuid, said in found:
        with services.database.write() as tx:
            placing.mend(services.work(tx, CALLER), uuid)
        report.repaired.append(f"mended: {said}")
    return report


def check_claims(services: Services) -> list[Mismatch]:
    """Claims without a container, containers without a claim, and claims that are for something else."""
    with services.database.read() as tx:
        found = list(placing.differences(services.work(tx, CALLER)))
    return [Mismatch(kind="claim", object_id=uuid, text=said) for uuid, said in found]


# -- containers --


def run(services: Services) -> Report:
    """Bring every connected host's containers to what is wanted."""
    report = Report()
    for host in services.nodes.names():
        try:
            _repair_host(services, host, report)
        except (Transient, Refused) as error:
            report.failed.append(f"host {host}: {error}")
    report.again_within = _next_restart(services)
    return report


def _next_restart(services: Services) -> float | None:
    """Seconds until the first container that waits for its restart has waited long enough."""
    with services.database.read() as tx:
        work = services.work(tx, CALLER)
        waits = [_restart_in(services, row) for row in store.awaiting_restart(work)]
    return max(0.05, min(waits).total_seconds()) if waits else None


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
    """Each is looked at twice: what an operation was changing just then is none."""
    driver = _driver(services, host)
    inventory = driver.inventory()
    wanted = _settled(services, host)
    real = {each.id: each for each in inventory.containers}
    for uuid, row in wanted.items():
        if row is not None and _differs(row, real.get(uuid)) and (told := _difference(services, driver, host, uuid)):
            yield Mismatch(kind="container", object_id=uuid, text=told)
    strangers = _strangers(inventory, wanted)
    there = _all_ids(driver.inventory()) if strangers else set()
    for uuid in strangers:
        if uuid in there and not _is_wanted(services, uuid):
            text = f"container or sandbox {uuid} on {host} belongs to nothing"
            yield Mismatch(kind="container", object_id=uuid, text=text)
    for uuid in sorted(_without_network(services, host, inventory) & _running(wanted)):
        if _is_live(_now(services, uuid)):
            yield Mismatch(kind="container", object_id=uuid, text=f"container {uuid} on {host} has lost its network")


def _difference(services: Services, driver: ContainerDriver, host: str, uuid: str) -> str | None:
    state, row = _inspect(driver, uuid), _now(services, uuid)
    if row is None or not _differs(row, state):
        return None
    return f"container {uuid} is {row.status} here, {state.status if state else 'gone from the engine'} on {host}"


def _driver(services: Services, host: str) -> ContainerDriver:
    return cast(ContainerDriver, services.nodes.driver(host, "container"))


def _inspect(driver: ContainerDriver, uuid: str) -> ContainerState | None:
    try:
        return driver.inspect(uuid)
    except NotFound:
        return None


def _settled(services: Services, host: str) -> dict[str, Record | None]:
    """The host's containers by id, as `store.followed` reads them; None for those that an operation is working on."""
    with services.database.read() as tx:
        work = services.work(tx, CALLER)
        busy = services.journal.at_work(work)
        return {row.uuid: None if row.uuid in busy else row for row in store.followed(work, host)}


def _now(services: Services, uuid: str) -> Record | None:
    """The container's row, unless an operation is working on it or it is gone."""
    with services.database.read() as tx:
        work = services.work(tx, CALLER)
        return None if services.journal.running(work, uuid) else store.get(work, uuid)


def _all_ids(inventory: Inventory) -> set[str]:
    return {each.id for each in inventory.containers} | {each.id for each in inventory.sandboxes}


def _strangers(inventory: Inventory, wanted: dict[str, Record | None]) -> list[str]:
    return sorted(_all_ids(inventory) - set(wanted))


def _is_live(row: Record | None) -> TypeGuard[Record]:
    return row is not None and row.status in ("Running", "Paused")


def _running(wanted: dict[str, Record | None]) -> set[str]:
    return {uuid for uuid, row in wanted.items() if _is_live(row)}


def _without_network(services: Services, host: str, inventory: Inventory) -> set[str]:
    """Whose ports are not plugged in, and whose sandbox has ended: a namespace that new processes cannot join."""
    ended = {each.id for each in inventory.sandboxes if not each.running}
    return network.broken_devices(services, host) | ended


def _differs(row: Record, state: ContainerState | None) -> bool:
    """Whether the engine's word counts for this container, and is another than the row's."""
    return row.status in _FOLLOWED and (state is None or state.status != row.status)


def _is_due(services: Services, row: Record) -> bool:
    """Whether a stopped container is to be restarted or removed now."""
    return row.status == "Stopped" and (bool(row.auto_remove) or _restart_is_due(services, row))


def _repair_host(services: Services, host: str, report: Report) -> None:
    driver = _driver(services, host)
    # The inventory comes first: rows are made before engine objects, so that what has no row now is nobody's.
    inventory = driver.inventory()
    wanted = _settled(services, host)
    real = {each.id: each for each in inventory.containers}
    report.examined += len(wanted)
    for uuid in _strangers(inventory, wanted):
        _repair(report, uuid, partial(_remove_stranger, services, driver, host, uuid))
    for uuid, row in wanted.items():
        if row is not None and (_differs(row, real.get(uuid)) or _is_due(services, row)):
            _repair(report, uuid, partial(_settle, services, driver, uuid))
    for uuid in sorted(_without_network(services, host, inventory) & _running(wanted)):
        _repair(report, uuid, partial(_rewire, services, driver, host, uuid, inventory))


def _repair(report: Report, uuid: str, mend: Callable[[], str | None]) -> None:
    """One container that cannot be mended does not keep the others from it."""
    try:
        said = mend()
    except (Transient, Refused, ApiError) as error:
        report.failed.append(f"container {uuid}: {error}")
    else:
        report.repaired += [said] if said else []


def _is_wanted(services: Services, uuid: str) -> bool:
    """A row may be on its way to a host: it has an engine object, and its host is not committed yet."""
    with services.database.read() as tx:
        return store.get(services.work(tx, CALLER), uuid) is not None


def _remove_stranger(services: Services, driver: ContainerDriver, host: str, uuid: str) -> str | None:
    if _is_wanted(services, uuid):
        return None
    driver.remove(uuid, True)
    network.unwire(services, host, uuid)
    driver.remove_sandbox(uuid)
    return f"removed {uuid} from {host}: it belongs to nothing"


def _rewire(services: Services, driver: ContainerDriver, host: str, uuid: str, inventory: Inventory) -> str | None:
    """Plug its ports in again; when its sandbox has ended, only a restart in a new one brings its network back."""
    row, state = _now(services, uuid), _inspect(driver, uuid)
    if not _is_live(row) or state is None or _differs(row, state):
        return None
    sandbox = next((each for each in inventory.sandboxes if each.id == uuid), None)
    if sandbox is not None and sandbox.running:
        network.wire(services, host, uuid, sandbox.netns)
        return f"wired container {uuid} on {host} again"
    if row.status == "Paused":
        raise Refused("its sandbox has ended; it gets its network back when it is unpaused")
    with services.database.write() as tx:
        work = services.work(tx, CALLER)
        work.event(uuid, "lost", "its sandbox has ended, and its network with it; it is restarted in a new one")
        work.begin(CONTAINER, row, "reboot", {"timeout": 10})
    return f"container {uuid} lost its sandbox and is restarted in a new one"


def _settle(services: Services, driver: ContainerDriver, uuid: str) -> str | None:
    """Look once more, and act on what is true now. Returns what was done."""
    state = _inspect(driver, uuid)
    with services.database.write() as tx:
        work = services.work(tx, CALLER)
        row = store.get(work, uuid)
        if row is None or row.status not in _FOLLOWED or services.journal.running(work, uuid):
            return None
        if state is None:
            return _gone(work, row)
        if state.status == row.status and not _is_due(services, row):
            return None
        return _follow(work, row, state)


def _gone(work: Work, row: Record) -> str:
    """The engine has it no longer."""
    if row.auto_remove:
        return _remove(work, row, "it is gone from its engine")
    # An engine that is removing a container calls it dead for a moment.
    if row.status in ("Running", "Paused", "Dead") and _policy(row) != "no" and row.wanted != "stopped":
        work.event(row.uuid, "lost", "the engine has it no longer; its restart policy asks for it again")
        work.begin(CONTAINER, _as(work, row, "Stopped"), "revive")
        return f"container {row.uuid} was gone from its engine and is made anew"
    reason = "The container is gone from the engine of its host. Start it to make it anew, or delete it."
    store.change(work, row.uuid, status="Error", status_reason=reason, task_state=None)
    work.event(row.uuid, "lost", reason)
    return f"container {row.uuid} is gone from its engine"


def _remove(work: Work, row: Record, why: str) -> str:
    store.change(work, row.uuid, task_state="container_deleting")
    work.begin(CONTAINER, _as(work, row, "Stopped"), "delete")
    return f"container {row.uuid} is removed, as it asked: {why}"


def _follow(work: Work, row: Record, state: ContainerState) -> str | None:
    observed = _plain(state)
    if state.status == "Stopped" and row.status in ("Running", "Paused"):
        return _ended(work, row, observed)
    if state.status == "Stopped" and row.auto_remove:
        return _remove(work, row, "it has ended")
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
        store.observe(work, row.uuid, observed)
        return _remove(work, row, f"it ended with exit code {code}")
    restarts = 0 if _recovered(row, observed) else row.restarts or 0
    again = row.wanted != "stopped" and _asks_for_restart(row, code, restarts)
    store.observe(
        work, row.uuid, observed, restarts=restarts + 1 if again else restarts, wanted="running" if again else "stopped"
    )
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
    return _restart_in(services, row) <= timedelta(0)


def _restart_in(services: Services, row: Record) -> timedelta:
    """How much longer a container waits for its restart."""
    if row.finished_at is None:
        return timedelta(0)
    pause = min(timedelta(milliseconds=100) * 2 ** min(row.restarts or 0, 12), _LONGEST_PAUSE)
    return cast(timedelta, row.finished_at + pause - services.clock.now())


RECONCILERS = [
    Reconciler(
        name="hosts",
        run=register_hosts,
        check=lambda services: [],
        every=timedelta(seconds=20),
        doc="Writes down what each node says of its host.",
    ),
    Reconciler(
        name="claims",
        run=settle_claims,
        check=check_claims,
        every=timedelta(minutes=5),
        doc="Makes what is claimed of hosts for containers what their rows say.",
    ),
    Reconciler(
        name="containers",
        run=run,
        check=check,
        every=timedelta(seconds=5),
        doc="Follows what engines say of containers: restarts, removes, rewires, and clears what belongs to nothing.",
    ),
    Reconciler(
        name="image-copies",
        run=copies.remove_unused,
        # One more than is needed contradicts nothing that the cloud says.
        check=lambda services: [],
        every=timedelta(minutes=10),
        doc="Removes engines' copies of images that Glance no longer has, once no container needs them.",
    ),
]
