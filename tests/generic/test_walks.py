"""Life cycles walked at random while the auditor watches, and reconcilers that find nothing left to do."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from stackyard.assemble import ROOMS
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.journal.audit import stuck
from stackyard.kernel.storage.database import Record
from tests.kernel.scenarios import MOVES, SCENARIOS
from tests.kernel.stage import Stage, stage

LIVING = {
    (room.name, resource.name): resource for room in ROOMS for resource in room.resources if resource.life is not None
}
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


def test_a_second_round_of_every_reconciler_changes_nothing(staged: Stage) -> None:
    for room, resource, action in (("container", "container", "stop"), ("image", "image", "import")):
        scenario = SCENARIOS[room, resource, action]
        scenario.ask(staged, scenario.prepare(staged))
        staged.perform()
    names = [each.name for each in staged.cloud.reconcilers.statuses()]
    for name in names:
        staged.cloud.reconcilers.run_once(name)
    staged.perform()
    before = _without_telling(staged.slate())
    for name in names:
        assert staged.cloud.reconcilers.run_once(name).repaired == [], name
    assert _without_telling(staged.slate()) == before
    assert staged.mismatches() == []


def _without_telling(slate: dict[str, Any]) -> dict[str, Any]:
    # The table of changes tells watchers what happened, a host's heartbeat too.
    return {name: value for name, value in slate.items() if name != "rows of changes"}
