"""Life cycles walked at random while the auditor watches, and reconcilers that find nothing left to do."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from stackyard.assemble import rooms
from stackyard.hosts import container_image
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.journal.audit import stuck
from stackyard.kernel.storage.database import Record
from stackyard.rooms.container.drivers.fake.driver import FakeDriver
from stackyard.rooms.container.resources.container.requested import copies_of
from stackyard.rooms.placement.resources.usage.store import USAGES
from tests.kernel.scenarios import MOVES, SCENARIOS
from tests.kernel.stage import Stage, stage

LIVING = {
    (room.name, resource.name): resource for room in rooms() for resource in room.resources if resource.life is not None
}
Drift = Callable[[Stage, str], object]
Move = Callable[[Stage, str], str]
#: What a service says, other than 409, when an object's state does not allow what is asked.
STATE_FORBIDS = {"/v2/images": 403}
#: What begins an object, and needs none.
BEGINNINGS = ("create", "pull")


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


@contextmanager
def _last_answer(staged: Stage) -> Iterator[list[int]]:
    """The statuses of the answers meanwhile."""
    statuses: list[int] = []
    send = staged._send

    def noted(*arguments: Any, **named: Any) -> httpx.Response:
        answer = send(*arguments, **named)
        statuses.append(answer.status_code)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staged, "_send", noted)
        yield statuses


@dataclass
class Walk:
    """Objects of one kind, and requests at random: any action, whatever the state."""

    staged: Stage
    resource: Resource
    moves: Mapping[str, Move]
    rng: random.Random
    objects: list[str] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0

    def step(self) -> None:
        """One request, sometimes performed at once, sometimes not before the next."""
        beginnings = [each for each in sorted(self.moves) if each in BEGINNINGS]
        action = self.rng.choice(sorted(self.moves) if self.objects else beginnings)
        if action in BEGINNINGS:
            self._begin(action)
        elif self.objects:
            self._accepted(action, self.rng.choice(self.objects))
        if self.rng.random() < 0.6:
            self.staged.perform()
        self._check_states(settled=False)

    def _begin(self, action: str) -> None:
        if len(self.objects) < 4 and (made := self._accepted(action, "")):
            self.objects.append(made)

    def _accepted(self, action: str, uuid: str) -> str | None:
        """The object's id when the request was accepted; else it must be told that its state does not allow it, or
        that it is gone."""
        status = 0
        try:
            with _last_answer(self.staged) as answers:
                made = self.moves[action](self.staged, uuid)
        except (AssertionError, IndexError):
            status = answers[-1]
        if status:
            # A detach that finds no port to name is not asked for at all: its last answer is the list without ports.
            assert status in (200, 404, 409, STATE_FORBIDS.get(self.resource.path)), (action, status)
            self.refused += 1
            if status == 404 and uuid in self.objects and self.rng.random() < 0.5:
                self.objects.remove(uuid)  # room for another; it is asked for in vain now and then
            return None
        self.accepted += 1
        return made

    def settle(self) -> None:
        """Perform all, repair, and look whether all is well."""
        self.staged.perform()
        self.staged.reconcile()
        self.staged.perform()
        assert self.staged.mismatches() == []
        self._check_states(settled=True)

    def _check_states(self, *, settled: bool) -> None:
        life, cloud = self.resource.life, self.staged.cloud
        assert life is not None
        assert stuck(cloud.services, cloud.book) == [], "the auditor sees an object that nothing is at work on"
        transient = {each.state for each in self.resource.operations.values() if each.state}
        allowed = set(life.stable) | (set() if settled else transient)
        for row in self._rows():
            assert row[life.field] in allowed, row

    def _rows(self) -> list[Record]:
        with self.staged.cloud.database.read() as tx:
            return tx.all(sa.select(self.resource.table))


def _moves(kind: tuple[str, str]) -> Mapping[str, Move]:
    """All that moves an object of this kind."""
    return MOVES.get(kind, {}) | {place[2]: each.ask for place, each in SCENARIOS.items() if place[:2] == kind}


@pytest.mark.parametrize("seed", [0, *(pytest.param(each, marks=pytest.mark.thorough) for each in (1, 2))])
@pytest.mark.parametrize("kind", sorted(LIVING), ids=".".join)
def test_a_life_cycle_walked_at_random_ends_in_stable_states(staged: Stage, kind: tuple[str, str], seed: int) -> None:
    walk = Walk(staged, LIVING[kind], _moves(kind), random.Random(seed))
    for _ in range(40):
        walk.step()
    walk.settle()
    assert walk.accepted
    assert walk.refused, "a walk that nothing refuses has not been everywhere"


# -- what happens behind the cloud's back, and is mended once --


def _stranger(staged: Stage, uuid: str) -> None:
    world, stranger = staged.worlds.container, f"0{uuid[1:]}" if uuid[0] != "0" else f"1{uuid[1:]}"
    world.containers[stranger] = deepcopy(world.containers[uuid])
    found = world.containers[stranger]
    found.state = msgspec.structs.replace(found.state, id=stranger)


def _all_networks_gone(staged: Stage, uuid: str) -> None:
    cloud = staged.worlds.network.clouds[staged.settings.cloud_id]
    for held in (cloud.networks, cloud.groups, cloud.ports, cloud.plugs, cloud.routers):
        held.clear()


def _state_of_nobody(staged: Stage, uuid: str) -> None:
    table = LIVING["container", "container"].table
    with staged.cloud.database.write() as tx:
        tx.update(table, {"status": "Creating"}, uuid=uuid)


def _no_claim(staged: Stage, uuid: str) -> None:
    staged.ask("DELETE", f"/placement/allocations/{uuid}", user="admin")


def _stray_image_file(staged: Stage, uuid: str) -> None:
    (staged.settings.state_dir / "images" / uuid).write_bytes(b"nobody's")


def _usages_that_nobody_has(staged: Stage, uuid: str) -> None:
    with staged.cloud.database.write() as tx:
        tx.execute(sa.update(USAGES).values(used=USAGES.c.used + 1))


def _copy_of_an_image_that_is_gone(staged: Stage, uuid: str) -> None:
    name = f"{copies_of(staged.settings)}-{uuid4()}:123456789abc"
    archive = b"".join(container_image.saved("gone:1", b"a program", {}))
    FakeDriver(staged.worlds.container).load_image(name, iter([archive]))


#: What happens, and which reconciler mends it.
DRIFTS: Mapping[str, tuple[str, Drift]] = {
    "nothing": ("", lambda staged, uuid: None),
    "a process ended": ("containers", lambda staged, uuid: staged.worlds.container.dies(uuid)),
    "a container is gone": ("containers", lambda staged, uuid: staged.worlds.container.containers.pop(uuid)),
    "a sandbox ended": ("containers", lambda staged, uuid: staged.worlds.container.loses_sandbox(uuid)),
    "the host was restarted": ("containers", lambda staged, uuid: staged.worlds.container.restarts_host()),
    "a container of nobody": ("containers", _stranger),
    "all networks are gone": ("network", _all_networks_gone),
    "no host is claimed": ("claims", _no_claim),
    "usages are not what is allocated": ("placement-usage", _usages_that_nobody_has),
    "a copy of an image that is gone": ("image-copies", _copy_of_an_image_that_is_gone),
    "data of no image": ("image", _stray_image_file),
    "a state that nobody works on": ("journal", _state_of_nobody),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_what_reconcilers_mend_they_mend_once_and_a_second_round_changes_nothing(staged: Stage, drift: str) -> None:
    (name, happens), uuid = DRIFTS[drift], ""
    for place in (("image", "image", "import"), ("container", "container", "start")):
        scenario = SCENARIOS[place]
        uuid = scenario.ask(staged, scenario.prepare(staged))
        staged.perform()
    names = staged.cloud.reconcilers.names()
    happens(staged, uuid)
    if name:
        # What may be a leftover is looked at twice.
        assert any(staged.cloud.reconcilers.run_once(name).repaired for _ in range(2))
    staged.perform()
    staged.reconcile()
    before = _without_telling(staged.slate())
    for each in names:
        assert staged.cloud.reconcilers.run_once(each).repaired == [], each
    assert _without_telling(staged.slate()) == before
    assert staged.mismatches() == []


def test_every_reconciler_that_mends_what_hosts_or_people_do_is_tried(staged: Stage) -> None:
    # The others forget what is old, renew keys, or follow directories: their own tests let time pass.
    others = {"hosts", "journal-pruning", "change-pruning"}
    others |= {"identity-keys", "identity-memberships", "identity-directories"}
    assert set(staged.cloud.reconcilers.names()) - others == {name for name, _ in DRIFTS.values()} - {""}


def _without_telling(slate: dict[str, Any]) -> dict[str, Any]:
    # The table of changes tells watchers what happened, a host's heartbeat too.
    return {name: value for name, value in slate.items() if name != "rows of changes"}
