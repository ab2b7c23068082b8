"""The durable steps of a container's actions. Each line a named step; calls may run twice, writes commit with their
mark."""

from typing import Any, cast

from stackyard.kernel.steps import Refused, Steps
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.driver import (
    Conflict,
    ContainerDriver,
    ContainerSpec,
    Healthcheck,
    ImageNotFound,
    NotFound,
    PullPolicy,
    SandboxSpec,
    Status,
)
from stackyard.rooms.container.resources.container import rules, store
from stackyard.rooms.container.resources.host import placing
from stackyard.rooms.image import facade as images
from stackyard.rooms.network import facade as network


def create(steps: Steps, container: Record) -> None:
    """From an accepted row to a container in the engine, wired before its first instruction; started when asked to."""
    uuid = container.uuid
    steps.undo("end the task", steps.writing(store.change, uuid, task_state=None))
    host = steps.write("choose a host", _choose_host, container, steps.inputs.get("host"))
    driver = _driver(steps, host)
    steps.call("get the image", _get_image, steps, driver, container)
    steps.write("has its image", store.change, uuid, task_state="container_creating")
    steps.undo("unwire the sandbox", network.unwire, steps.services, host, uuid)
    steps.undo("remove the sandbox", driver.remove_sandbox, uuid)
    generation = steps.call("wire the sandbox", _wire, steps, driver, host, container)
    steps.undo("remove it from the engine", driver.remove, uuid, True)
    state = steps.call("create in the engine", driver.create, _spec(container))
    if steps.inputs["run"]:
        state = steps.call("start it", _start_wired, steps, driver, host, container, generation)
    steps.end("is created", store.started, uuid, state, generation)


def start(steps: Steps, container: Record) -> None:
    """Start it again, wired first: the sandbox may be gone since the host restarted."""
    uuid = container.uuid
    steps.undo("end the task", steps.writing(store.change, uuid, task_state=None))
    host = _host(container)
    driver = _driver(steps, host)
    generation = steps.call("wire the sandbox", _wire, steps, driver, host, container)
    state = steps.call("start it", _start_or_recreate, steps, driver, host, container, generation)
    steps.end("is started", store.started, uuid, state, generation)


def stop(steps: Steps, container: Record) -> None:
    """Ask it to end, then make it."""
    driver = _tasked(steps, container)
    state = steps.call("stop it", driver.stop, container.uuid, steps.inputs["timeout"])
    steps.end("is stopped", store.observe, container.uuid, state)


def reboot(steps: Steps, container: Record) -> None:
    """Stop and start, in a sandbox that is wired. What the engine has lost is made anew."""
    driver = _tasked(steps, container)
    steps.call("stop it", _stop_if_there, driver, container.uuid, steps.inputs["timeout"])
    generation = steps.call("wire the sandbox", _wire, steps, driver, container.host, container)
    state = steps.call("start it", _start_or_recreate, steps, driver, container.host, container, generation)
    steps.end("is restarted", store.started, container.uuid, state, generation)


def pause(steps: Steps, container: Record) -> None:
    """Freeze it."""
    state = steps.call("pause it", _tasked(steps, container).pause, container.uuid)
    steps.end("is paused", store.observe, container.uuid, state)


def unpause(steps: Steps, container: Record) -> None:
    """Resume it."""
    state = steps.call("unpause it", _tasked(steps, container).unpause, container.uuid)
    steps.end("is resumed", store.observe, container.uuid, state)


def kill(steps: Steps, container: Record) -> None:
    """Send the signal, and write down what became of it."""
    name = steps.inputs["signal"]
    driver = _tasked(steps, container)
    steps.call("send the signal", _signal, driver, container.uuid, "SIGKILL" if name == "None" else name)
    state = steps.call("look at it", driver.inspect, container.uuid)
    steps.end("was signalled", store.observe, container.uuid, state)


def update(steps: Steps, container: Record) -> None:
    """Change its limits in the engine, then in its row."""
    limits = dict(steps.inputs)
    before = limits.pop("before")
    steps.undo("take its limits back", steps.writing(placing.limit, container.uuid, **before))
    driver = _tasked(steps, container)
    steps.call("change its limits", driver.update, container.uuid, limits.get("cpu"), limits.get("memory"))
    steps.end("has its limits", placing.limit, container.uuid, **limits)


def attach_network(steps: Steps, container: Record) -> None:
    """Plug the ports it has been given since."""
    driver = _tasked(steps, container)
    generation = steps.call("wire the sandbox", _wire, steps, driver, container.host, container)
    steps.end("is attached", store.change, container.uuid, generation=generation)


def detach_network(steps: Steps, container: Record) -> None:
    """Unplug the ports that are no longer its own: wiring makes the sandbox as wanted."""
    attach_network(steps, container)


def delete(steps: Steps, container: Record) -> None:
    """Take it from the engine, its ports from the network, its row from the database. Cleans up after anything."""
    uuid, host = container.uuid, steps.read(_current_host, container)
    steps.undo("end the task", steps.writing(store.change, uuid, task_state=None))
    if host:
        driver = _driver(steps, host)
        if steps.action == "stop_and_delete":
            steps.call("stop it", _stop_if_there, driver, uuid, 10)
        steps.call("remove it from the engine", driver.remove, uuid, True)
        steps.call("unwire the sandbox", network.unwire, steps.services, host, uuid)
        steps.call("remove the sandbox", driver.remove_sandbox, uuid)
    steps.end("is deleted", _forget, container)


def _driver(steps: Steps, host: str) -> ContainerDriver:
    return cast(ContainerDriver, steps.nodes.driver(host, "container"))


def _host(container: Record) -> str:
    if not container.host:
        raise Refused("it was never placed on a host: delete it and create it anew")
    return cast(str, container.host)


def _tasked(steps: Steps, container: Record) -> ContainerDriver:
    """The driver of the container's host; when the operation is given up, the task shown is ended."""
    steps.undo("end the task", steps.writing(store.change, container.uuid, task_state=None))
    return _driver(steps, _host(container))


def _choose_host(work: Work, container: Record, asked: str | None) -> str:
    """The host that was chosen when the container was accepted, if it is still there; otherwise another, if one can."""
    chosen = _current_host(work, container)
    if chosen and placing.is_up(work, chosen):
        return chosen
    try:
        return placing.place(work, container, asked)
    except Refused:
        if chosen is None:
            raise
        return chosen


def _current_host(work: Work, container: Record) -> str | None:
    current = store.get(work, container.uuid)
    return cast(str | None, (current or container).host)


def _forget(work: Work, container: Record) -> None:
    network.release_ports(work, container.uuid)
    if container.ports:
        network.close_ports(work, project_id=container.project_id, name=rules.ports_group(container))
    placing.leave(work, container.uuid)
    store.remove(work, container)


def _get_image(steps: Steps, driver: ContainerDriver, container: Record) -> str:
    """Make sure that the engine has the image: from Glance, from its own cache, or from the registry."""
    reference = cast(str, container.image_reference)
    if container.image_driver != "glance":
        policy = PullPolicy(container.image_pull_policy or PullPolicy.IF_NOT_PRESENT)
        return driver.pull_image(reference, policy).id
    try:
        return driver.image(reference).id
    except ImageNotFound:
        return driver.load_image(reference, images.open(steps.services, container.image_id)).id


def _wire(steps: Steps, driver: ContainerDriver, host: str, container: Record) -> str:
    """A running sandbox with all ports plugged, whatever was there; returns its generation."""
    sandbox = driver.ensure_sandbox(_sandbox(steps, container))
    network.wire(steps.services, host, container.uuid, sandbox.netns)
    return sandbox.generation


def _start_wired(steps: Steps, driver: ContainerDriver, host: str, container: Record, wired: str) -> Any:
    """Start it; should the sandbox have been replaced since it was wired, wire it anew first."""
    sandbox = driver.ensure_sandbox(_sandbox(steps, container))
    if sandbox.generation != wired:
        network.wire(steps.services, host, container.uuid, sandbox.netns)
    return driver.start(container.uuid)


def _start_or_recreate(steps: Steps, driver: ContainerDriver, host: str, container: Record, wired: str) -> Any:
    """Start it; when the engine has it no longer, create it again from its image."""
    try:
        return _start_wired(steps, driver, host, container, wired)
    except NotFound:
        _get_image(steps, driver, container)
        driver.create(_spec(container))
        return _start_wired(steps, driver, host, container, wired)


def _signal(driver: ContainerDriver, uuid: str, name: str) -> None:
    """Send a signal. Sent again after a crash, it finds that the first one has ended the container: that is what was
    asked."""
    try:
        driver.kill(uuid, name)
    except Conflict:
        if driver.inspect(uuid).status in (Status.RUNNING, Status.PAUSED):
            raise


def _stop_if_there(driver: ContainerDriver, uuid: str, timeout: float) -> None:
    try:
        driver.stop(uuid, timeout)
    except NotFound:
        return


def _sandbox(steps: Steps, container: Record) -> SandboxSpec:
    hostname = container.hostname or container.uuid[:12]
    ports = steps.read(lambda work: network.ports_of(work, [container.uuid]).get(container.uuid, []))
    addresses = [each.ip for port in ports for each in port.addresses]
    return SandboxSpec(
        id=container.uuid,
        hostname=hostname,
        dns=steps.read(network.dns_servers, container.uuid),
        extra_hosts={hostname: addresses[0]} if addresses else {},
    )


def _spec(container: Record) -> ContainerSpec:
    policy = container.restart_policy or {"Name": "no", "MaximumRetryCount": "0"}
    check = container.healthcheck
    return ContainerSpec(
        id=container.uuid,
        sandbox_id=container.uuid,
        image=container.image_reference,
        command=container.command or [],
        entrypoint=container.entrypoint or [],
        environment=container.environment or {},
        workdir=container.workdir or "",
        labels=container.labels or {},
        cpu=container.cpu or 0,
        memory=container.memory or 0,
        restart_policy=policy["Name"],
        restart_retries=int(policy["MaximumRetryCount"]),
        auto_remove=container.auto_remove,
        interactive=container.interactive,
        tty=container.tty,
        privileged=container.privileged,
        healthcheck=Healthcheck(
            command=check["cmd"],
            interval=check.get("interval") or 0,
            timeout=check.get("timeout") or 0,
            retries=check.get("retries") or 0,
        )
        if check
        else None,
    )
