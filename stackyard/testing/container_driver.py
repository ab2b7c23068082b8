"""What every container driver must pass, whichever engine is behind it.

A test module makes a subclass of `ContainerDriverConformance` and gives it a `kit` fixture.
"""

import io
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from stackyard.hosts import container_image
from stackyard.rooms.container import driver as contract
from stackyard.rooms.container.driver import ContainerDriver, ContainerSpec, Happening, PullPolicy, SandboxSpec, Status

IMAGE = "conformance:latest"

SAYS = ["sh", "-c", "echo first; echo second; echo wrong >&2; sleep 1000"]
GOES_ON = ["sleep", "1000"]
ENDS_WITH_3 = ["sh", "-c", "exit 3"]
NOT_THERE = ["/no/such/program"]
ECHOES = ["echo", "hello"]
ENDS_WITH_7 = ["sh", "-c", "exit 7"]


@dataclass(frozen=True)
class Kit:
    """A driver under test. Its engine has IMAGE, built by `build_busybox_image`."""

    driver: ContainerDriver
    reopen: Callable[[], ContainerDriver]
    """Another driver for the same cloud on the same engine, as after a restart of the server."""
    another_cloud: Callable[[], ContainerDriver] | None = None
    """A driver for another cloud on the same engine."""


def new_id() -> str:
    """A fresh container id."""
    return str(uuid.uuid4())


def spec(id: str, command: list[str] = GOES_ON, sandbox: bool = True) -> ContainerSpec:
    """A container that does the usual: nothing, for long."""
    return ContainerSpec(id=id, sandbox_id=id if sandbox else "", image=IMAGE, command=command)


def running(driver: ContainerDriver, command: list[str] = GOES_ON) -> str:
    """The id of a new container that was started in its sandbox."""
    id = new_id()
    driver.ensure_sandbox(SandboxSpec(id=id))
    driver.create(spec(id, command))
    driver.start(id)
    return id


def eventually(holds: Callable[[], bool], within: float = 30) -> None:
    """Wait for something to become true; fail when it does not."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not so after {within:g} s"
        time.sleep(0.02)


class ContainerDriverConformance:
    """The contract of `stackyard.rooms.container.driver`, as tests."""

    @pytest.fixture
    def driver(self, kit: Kit) -> Iterator[ContainerDriver]:
        yield kit.driver
        for found in (everything := kit.driver.inventory()).containers:
            kit.driver.remove(found.id, force=True)
        for sandbox in everything.sandboxes:
            kit.driver.remove_sandbox(sandbox.id)

    # --- a container's life

    def test_a_container_is_created_started_stopped_and_removed(self, driver: ContainerDriver) -> None:
        id = new_id()
        driver.ensure_sandbox(SandboxSpec(id=id))
        created = driver.create(spec(id))
        assert (created.id, created.status, created.started_at, created.exit_code) == (id, Status.CREATED, None, None)
        started = driver.start(id)
        assert (started.status, started.exit_code, started.pid > 0) == (Status.RUNNING, None, True)
        stopped = driver.stop(id, timeout=0)
        assert (stopped.status, stopped.exit_code, stopped.pid) == (Status.STOPPED, 137, 0)
        driver.remove(id)
        with pytest.raises(contract.NotFound):
            driver.inspect(id)

    def test_every_step_may_be_repeated(self, driver: ContainerDriver) -> None:
        id = new_id()
        assert driver.ensure_sandbox(SandboxSpec(id=id)) == driver.ensure_sandbox(SandboxSpec(id=id))
        assert driver.create(spec(id)) == driver.create(spec(id))
        assert driver.start(id) == driver.start(id)
        assert driver.pause(id) == driver.pause(id)
        assert driver.start(id).status == Status.PAUSED
        assert driver.unpause(id) == driver.unpause(id)
        assert driver.stop(id, timeout=0) == driver.stop(id, timeout=0)
        for _ in range(2):
            driver.remove(id)
            driver.remove_sandbox(id)

    def test_a_new_driver_finds_everything_as_it_was(self, kit: Kit, driver: ContainerDriver) -> None:
        id = running(driver)
        before = driver.inspect(id)
        successor = kit.reopen()
        assert successor.inspect(id) == before
        assert successor.start(id) == before
        assert successor.ensure_sandbox(SandboxSpec(id=id)) == driver.ensure_sandbox(SandboxSpec(id=id))

    def test_the_exit_code_and_times_of_a_command_that_ends_are_kept(self, driver: ContainerDriver) -> None:
        id = running(driver, ENDS_WITH_3)
        eventually(lambda: driver.inspect(id).status == Status.STOPPED)
        found = driver.inspect(id)
        assert found.exit_code == 3
        assert found.started_at is not None
        assert found.finished_at is not None
        assert _moment(found.finished_at) >= _moment(found.started_at)

    def test_a_stopped_container_starts_again(self, driver: ContainerDriver) -> None:
        id = running(driver)
        driver.stop(id, timeout=0)
        assert driver.start(id).status == Status.RUNNING

    def test_restart_gives_another_process(self, driver: ContainerDriver) -> None:
        id = running(driver)
        before = driver.inspect(id).pid
        assert driver.restart(id, timeout=0).pid not in (0, before)

    def test_a_paused_container_can_be_stopped(self, driver: ContainerDriver) -> None:
        id = running(driver)
        assert driver.pause(id).status == Status.PAUSED
        assert driver.stop(id, timeout=0).status == Status.STOPPED

    def test_kill_ends_it_and_is_refused_afterwards(self, driver: ContainerDriver) -> None:
        id = running(driver)
        assert driver.kill(id).status == Status.STOPPED
        with pytest.raises(contract.Conflict):
            driver.kill(id)

    def test_another_signal_leaves_it_running(self, driver: ContainerDriver) -> None:
        id = running(driver)
        assert driver.kill(id, "SIGWINCH").status == Status.RUNNING
        with pytest.raises(contract.EngineRefused, match=r"(?i)invalid signal"):
            driver.kill(id, "SIGNONSENSE")

    def test_what_only_suits_a_running_container_conflicts_otherwise(self, driver: ContainerDriver) -> None:
        id = running(driver)
        driver.stop(id, timeout=0)
        for refused in (driver.pause, driver.unpause, driver.top, driver.stats):
            with pytest.raises(contract.Conflict):
                refused(id)
        with pytest.raises(contract.Conflict):
            driver.execute(id, ECHOES)

    def test_a_running_container_is_removed_only_by_force(self, driver: ContainerDriver) -> None:
        id = running(driver)
        with pytest.raises(contract.Conflict):
            driver.remove(id)
        driver.remove(id, force=True)
        assert driver.inventory().containers == []

    def test_a_container_that_never_was_is_not_found(self, driver: ContainerDriver) -> None:
        calls: list[Callable[[str], object]] = [driver.start, driver.stop, driver.kill, driver.pause, driver.unpause]
        for call in [*calls, driver.inspect, driver.logs, driver.top, driver.stats, driver.restart, driver.update]:
            with pytest.raises(contract.NotFound):
                call(new_id())
        with pytest.raises(contract.NotFound):
            driver.execute(new_id(), ECHOES)

    def test_limits_change_while_it_runs(self, driver: ContainerDriver) -> None:
        id = running(driver)
        assert driver.update(id, cpu=0.5, memory=64).status == Status.RUNNING
        assert driver.stats(id).memory_limit in (0, 64 << 20)
        with pytest.raises(contract.EngineRefused):
            driver.update(id, memory=-1)

    # --- what cannot be had

    def test_an_unknown_image_is_refused_by_name(self, driver: ContainerDriver) -> None:
        with pytest.raises(contract.ImageNotFound) as raised:
            driver.create(ContainerSpec(id=new_id(), sandbox_id="", image="nobody/has-this"))
        assert raised.value.subject == "nobody/has-this"

    def test_a_command_that_is_not_there_is_refused_with_the_engines_reason(self, driver: ContainerDriver) -> None:
        id = new_id()
        driver.create(spec(id, NOT_THERE, sandbox=False))
        with pytest.raises(contract.EngineRefused, match=r"no such file|not found"):
            driver.start(id)
        assert driver.inspect(id).status in (Status.CREATED, Status.STOPPED)
        driver.remove(id)

    def test_privileged_is_refused_unless_allowed(self, driver: ContainerDriver) -> None:
        with pytest.raises(contract.EngineRefused, match="privileged"):
            driver.create(ContainerSpec(id=new_id(), sandbox_id="", image=IMAGE, privileged=True))

    def test_an_id_that_is_none_is_refused(self, driver: ContainerDriver) -> None:
        with pytest.raises(contract.EngineRefused):
            driver.create(ContainerSpec(id="../../etc", sandbox_id="", image=IMAGE))

    # --- sandboxes

    def test_a_container_needs_its_sandbox(self, driver: ContainerDriver) -> None:
        id = new_id()
        with pytest.raises(contract.SandboxNotReady):
            driver.create(spec(id))
        driver.ensure_sandbox(SandboxSpec(id=id))
        driver.create(spec(id))
        driver.remove_sandbox(id)
        with pytest.raises(contract.SandboxNotReady):
            driver.start(id)

    def test_a_sandbox_has_a_namespace_of_its_own(self, driver: ContainerDriver) -> None:
        one, two = (driver.ensure_sandbox(SandboxSpec(id=new_id())) for _ in range(2))
        assert one.running
        assert one.netns != two.netns
        assert one.generation != two.generation

    # --- looking inside

    def test_logs_are_split_by_stream_and_cut_from_the_end(self, driver: ContainerDriver) -> None:
        id = running(driver, SAYS)
        eventually(lambda: b"wrong" in driver.logs(id))
        assert driver.logs(id, stderr=False) == b"first\nsecond\n"
        assert driver.logs(id, stdout=False) == b"wrong\n"
        assert driver.logs(id, tail=1) in (b"wrong\n", b"second\n")  # two pipes: the engine may read either first
        assert driver.logs(id, since=time.time() + 60) == b""
        line = driver.logs(id, timestamps=True, tail=1).decode()
        assert abs(_moment(line.split(" ")[0]).timestamp() - time.time()) < 60

    def test_a_command_runs_inside_with_output_and_exit_code(self, driver: ContainerDriver) -> None:
        id = running(driver)
        done = driver.execute(id, ECHOES)
        assert (done.exit_code, done.output, done.truncated) == (0, b"hello\n", False)
        assert driver.execute(id, ENDS_WITH_7).exit_code == 7
        assert driver.execute(id, ECHOES, run=False).exit_code is None
        assert driver.execute(id, NOT_THERE).exit_code in (126, 127)

    def test_a_command_that_takes_too_long_is_given_up(self, driver: ContainerDriver) -> None:
        id = running(driver)
        with pytest.raises(contract.TimedOut):
            driver.execute(id, GOES_ON, timeout=0.3)
        assert driver.inspect(id).status == Status.RUNNING

    def test_top_lists_the_command(self, driver: ContainerDriver) -> None:
        found = driver.top(running(driver))
        column = found.titles.index("CMD")
        assert [line[column] for line in found.processes] == ["sleep 1000"]

    def test_stats_are_plain_numbers(self, driver: ContainerDriver) -> None:
        found = driver.stats(running(driver))
        assert found.memory_usage > 0
        assert found.cpu_percent >= 0

    def test_the_inventory_is_this_clouds_and_complete(self, kit: Kit, driver: ContainerDriver) -> None:
        ids = {running(driver), running(driver, ENDS_WITH_3)}
        found = driver.inventory()
        assert {each.id for each in found.containers} == ids == {each.id for each in found.sandboxes}
        if kit.another_cloud:
            other = kit.another_cloud()
            assert other.inventory() == contract.Inventory(sandboxes=[], containers=[])
            other.remove_all()
            assert {each.id for each in driver.inventory().containers} == ids

    def test_remove_all_leaves_images(self, driver: ContainerDriver) -> None:
        running(driver)
        driver.remove_all()
        assert driver.inventory() == contract.Inventory(sandboxes=[], containers=[])
        assert IMAGE in driver.image(IMAGE).names

    def test_events_tell_that_a_container_died(self, driver: ContainerDriver) -> None:
        with driver.events() as events:
            id = running(driver, ENDS_WITH_3)
            seen = []
            for event in events:
                if event.id == id and not event.sandbox:
                    seen.append((event.what, event.exit_code))
                if seen[-1:] == [(Happening.DIED, 3)]:
                    break
        assert (Happening.STARTED, None) in seen

    def test_closing_the_events_ends_them(self, driver: ContainerDriver) -> None:
        events = driver.events()
        reader = threading.Thread(target=lambda: list(events))
        reader.start()
        events.close()
        reader.join(5)
        assert not reader.is_alive()

    # --- images

    def test_a_built_image_travels_as_an_archive(self, driver: ContainerDriver) -> None:
        data = b"".join(driver.export_image(IMAGE))
        loaded = driver.load_image("travelled:1", [data[:1000], data[1000:]])
        assert "travelled:1" in loaded.names
        assert IMAGE in driver.image(IMAGE).names
        id = new_id()
        driver.create(ContainerSpec(id=id, sandbox_id="", image="travelled:1", command=GOES_ON))
        assert driver.start(id).status == Status.RUNNING
        driver.remove(id, force=True)
        driver.remove_image("travelled:1")
        driver.remove_image("travelled:1")
        with pytest.raises(contract.ImageNotFound):
            driver.image("travelled:1")
        with pytest.raises(contract.ImageNotFound):
            driver.export_image("travelled:1")

    def test_the_names_in_an_archive_do_not_replace_anybodys(self, driver: ContainerDriver) -> None:
        honest = driver.image(IMAGE)
        evil = b"".join(container_image.saved(IMAGE, _layer("evil"), {"Cmd": ["evil"]}))
        loaded = driver.load_image("tenant:1", [evil])
        assert loaded.names == ["tenant:1"]
        assert driver.image(IMAGE) == honest
        driver.remove_image("tenant:1")

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (b"QFI\xfb" + bytes(1000), "qcow2"),
            (bytes(510) + b"\x55\xaa" + bytes(1000), "raw disk"),
            (b"", "empty"),
            (b"just words", "no tar"),
        ],
    )
    def test_what_is_no_container_image_is_told_so(self, driver: ContainerDriver, data: bytes, told: str) -> None:
        with pytest.raises(contract.ImageRefused, match=told):
            driver.load_image("refused:1", [data])
        with pytest.raises(contract.ImageNotFound):
            driver.image("refused:1")

    def test_a_name_is_given_and_taken(self, driver: ContainerDriver) -> None:
        driver.tag_image(IMAGE, "second-name")
        assert {IMAGE, "second-name:latest"} <= set(driver.image("second-name").names)
        assert any("second-name:latest" in each.names for each in driver.images())
        driver.remove_image("second-name")
        assert "second-name:latest" not in driver.image(IMAGE).names

    def test_the_beginning_of_an_images_id_is_no_name(self, driver: ContainerDriver) -> None:
        with pytest.raises(contract.ImageNotFound):
            driver.image(driver.image(IMAGE).id.removeprefix("sha256:")[:12])

    def test_never_pulling_takes_what_is_there_or_nothing(self, driver: ContainerDriver) -> None:
        assert driver.pull_image(IMAGE, PullPolicy.NEVER) == driver.image(IMAGE)
        with pytest.raises(contract.ImageNotFound):
            driver.pull_image("nobody/has-this", PullPolicy.NEVER)

    def test_a_cancelled_load_leaves_nothing(self, driver: ContainerDriver) -> None:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(contract.PullCancelled):
            driver.load_image("cancelled:1", [b"x"], cancel)
        with pytest.raises(contract.ImageNotFound):
            driver.image("cancelled:1")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")


def _layer(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        layer.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()
