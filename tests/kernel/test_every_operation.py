"""Every operation of every room, at every step: failed, repeated, refused, overtaken, late, and the server killed.
Afterwards the object is where it was asked to go, or where its declaration says it goes when that fails, with the
reason; nothing differs between the database and the hosts; and once the object is deleted, nothing is left of it
anywhere.

What there is to test is read from the declarations; only how to bring an object to each operation is told here, in
`scenarios.py`. Steps are learnt from a run without faults.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stackyard.assemble import rooms
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.journal.crash import AFTER_EFFECT, AFTER_RECORD, BEFORE
from stackyard.kernel.journal.tables import DONE, FAILED, OPERATIONS
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage.database import Record
from stackyard.testing.faults import Faults
from tests.kernel.scenarios import SCENARIOS, Place, Scenario
from tests.kernel.stage import Stage

pytestmark = pytest.mark.thorough

DECLARED = {
    (room.name, resource.name, action): resource
    for room in rooms()
    for resource in room.resources
    for action in resource.operations
}
BUSY = "The engine is busy with a word nobody else says."


@dataclass
class Theatre:
    """The stage that tests share as long as they pass, and what dry runs have taught of each operation."""

    folder: Path
    stage: Stage | None = None
    slate: dict[str, Any] = field(default_factory=dict)
    steps: dict[Place, list[str]] = field(default_factory=dict)
    kinds: dict[Place, list[str]] = field(default_factory=dict)
    undos: dict[Place, list[str]] = field(default_factory=dict)

    def open(self) -> Stage:
        """The stage, built when there is none."""
        if self.stage is None:
            self.stage = Stage(Path(tempfile.mkdtemp(dir=self.folder)))
            _tidy(self.stage, *_warm_up(self.stage))
            self.slate = self.stage.slate()
        return self.stage

    def close(self) -> None:
        """End the stage: the next test gets a new one."""
        if self.stage is not None:
            self.stage.close()
        self.stage = None


def _warm_up(stage: Stage) -> tuple[Scenario, str]:
    """What the first container of a project leaves behind rightly: its project's default security group."""
    scenario = SCENARIOS["container", "container", "stop"]
    return scenario, scenario.prepare(stage)


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """The theatre of this module's tests, in memory where files can be there: the disk is not what is tested."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(dir=memory) if memory.is_dir() else tmp_path_factory.mktemp("theatre")
    made = Theatre(Path(folder))
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture(params=sorted(SCENARIOS), ids="-".join)
def place(request: pytest.FixtureRequest) -> Place:
    """Each operation."""
    return tuple(request.param)


@pytest.fixture
def play(theatre: Theatre, place: Place) -> "Play":
    """One operation, ready to be tried."""
    return Play(theatre, place)


class Play:
    """Tries one operation, again and again."""

    def __init__(self, theatre: Theatre, place: Place) -> None:
        self.theatre, self.place = theatre, place
        self.action = place[2]
        self.scenario = SCENARIOS[place]
        self.resource: Resource = DECLARED[place]

    def steps(self) -> list[str]:
        """The operation's steps, learnt from a run without faults."""
        if self.place not in self.theatre.steps:
            self.theatre.steps[self.place] = self.once("without faults", lambda faults, uuid: None)
        return self.theatre.steps[self.place]

    def records(self) -> int:
        """How many times something of it is recorded: a call together with the write that follows it."""
        self.steps()
        kinds = self.theatre.kinds[self.place]
        return len(kinds) - sum(pair == ("call", "write") for pair in pairwise(kinds))

    def undos(self) -> list[str]:
        """What it takes back, in order, when its last step is refused."""
        if self.place not in self.theatre.undos:
            reached = self.once("refused in its last step", self.refused_in(self.steps()[-1]), well=False)
            self.theatre.undos[self.place] = [each for each in reached if each not in self.steps()]
        return self.theatre.undos[self.place]

    def refused_in(self, step: str) -> Callable[[Faults, str], None]:
        """The fault: that step is refused."""
        return lambda faults, uuid: faults.fail(self.action, step, Refused(BUSY))

    def once(
        self, what: str, plan: Callable[[Faults, str], None], *, well: bool = True, gone: bool = False, deaths: int = 0
    ) -> list[str]:
        """One try with the planned faults. `well`: it ends where it was asked to; else in its failure state. `gone`:
        the object is deleted meanwhile. Returns the steps that were reached."""
        stage = self.theatre.open()
        try:
            return self._once(stage, plan, well=well, gone=gone, deaths=deaths)
        except BaseException as error:
            error.add_note(f"{'.'.join(self.place)}, {what}")
            self.theatre.close()
            raise

    def _once(
        self, stage: Stage, plan: Callable[[Faults, str], None], *, well: bool, gone: bool, deaths: int
    ) -> list[str]:
        uuid = self.scenario.prepare(stage)
        before = self._state(stage, uuid)
        stage.faults = Faults()
        uuid = self.scenario.ask(stage, uuid)
        [operation] = stage.operations(OPERATIONS.c.due_at.is_not(None))
        assert (operation.action, operation.object_id) == (self.action, uuid)
        plan(stage.faults, uuid)
        assert stage.perform_through_deaths() == deaths
        assert not stage.faults.pending, "the planned fault never happened"
        reached = [step for action, step, moment in stage.faults.reached if (action, moment) == (self.action, BEFORE)]
        [operation] = stage.operations(OPERATIONS.c.id == operation.id)
        self.theatre.kinds.setdefault(self.place, stage.kinds_of_steps(operation.id))
        if gone:
            assert self._left_on_hosts(stage) == {}
        else:
            self._check_end(stage, operation, uuid, before, well)
        stage.reconcile()
        assert stage.mismatches() == []
        _tidy(stage, self.scenario, uuid)
        assert stage.slate() == self.theatre.slate
        return reached

    def _check_end(self, stage: Stage, operation: Record, uuid: str, before: str | None, well: bool) -> None:
        if well:
            assert (operation.state, operation.reason) == (DONE, None)
            assert self._state(stage, uuid) == self.scenario.ends
            return
        assert operation.state == FAILED
        assert BUSY in operation.reason
        assert self._state(stage, uuid) == (self.resource.operations[self.action].failing_to or before)
        if self.scenario.undone:
            assert self._left_on_hosts(stage) == {}, "what was done is taken back"
        life, row = self.resource.life, self._row(stage, uuid)
        if life and life.reason and row:
            assert BUSY in row[life.reason], "the object itself tells why"

    def _left_on_hosts(self, stage: Stage) -> dict[str, Any]:
        """What hosts hold, and did not before."""
        return {name: held for name, held in stage.on_hosts().items() if held != self.theatre.slate[name]}

    def _row(self, stage: Stage, uuid: str) -> Record | None:
        source = self.resource.table
        with stage.cloud.database.read() as tx:
            return tx.one(sa.select(source).where(source.c[self.resource.id_field] == uuid))

    def _state(self, stage: Stage, uuid: str) -> str | None:
        row, life = self._row(stage, uuid), self.resource.life
        return str(row[life.field]) if row and life else None


def _tidy(stage: Stage, scenario: Scenario, uuid: str) -> None:
    scenario.clear(stage, uuid)
    stage.perform()


# -- the tests --


def test_every_operation_has_a_scenario() -> None:
    assert sorted(DECLARED) == sorted(SCENARIOS)


def test_a_step_that_fails_for_now_is_tried_again(play: Play) -> None:
    for step in play.steps():

        def fail(faults: Faults, _: str, at: str = step) -> None:
            faults.fail(play.action, at, Transient(BUSY))

        play.once(f"'{step}' fails once", fail)


def test_a_step_whose_answer_is_lost_is_repeated_without_harm(play: Play) -> None:
    for step in play.steps():

        def lose(faults: Faults, _: str, at: str = step) -> None:
            faults.fail(play.action, at, Transient(BUSY), times=2, moment=AFTER_EFFECT)

        play.once(f"the answer of '{step}' is lost twice", lose)


def test_a_step_that_is_refused_ends_it_with_the_reason(play: Play) -> None:
    for step in play.steps():
        play.once(f"'{step}' is refused", play.refused_in(step), well=False)


@pytest.mark.parametrize("moment", [BEFORE, AFTER_EFFECT, AFTER_RECORD])
def test_when_the_server_is_killed_in_every_step_its_successors_end_it(play: Play, moment: str) -> None:
    # Before the second step is after the first.
    steps = play.steps()[:1] if moment == BEFORE else play.steps()

    def plan(faults: Faults, _: str) -> None:
        for step in steps:
            faults.crash(play.action, step, moment)

    play.once(
        f"killed {moment} of every step", plan, deaths=play.records() if moment == AFTER_RECORD else len(steps)
    )


def test_a_server_killed_while_it_takes_back_is_followed_by_one_that_goes_on(play: Play) -> None:
    def plan(faults: Faults, uuid: str) -> None:
        play.refused_in(play.steps()[-1])(faults, uuid)
        for undo in play.undos():
            faults.crash(play.action, undo, AFTER_EFFECT)

    play.once("killed in every undo", plan, well=False, deaths=len(play.undos()))


@pytest.mark.parametrize("moment", [BEFORE, AFTER_EFFECT])
def test_an_answer_that_comes_late_under_an_older_epoch_changes_nothing(play: Play, moment: str) -> None:
    stage_of, steps = play.theatre.open, play.steps()
    kinds = dict(zip(steps, play.theatre.kinds[play.place], strict=True))
    # While a write is under way no other server can write, so that nothing can be taken over there.
    for step in steps if moment == BEFORE else [each for each in steps if kinds[each] == "call"]:

        def plan(faults: Faults, _: str, at: str = step) -> None:
            faults.do(play.action, at, moment, lambda: stage_of().let_another_server_take_over())

        play.once(f"taken over {moment} '{step}'", plan)


def test_a_failure_that_comes_late_under_an_older_epoch_changes_nothing(play: Play) -> None:
    stage_of = play.theatre.open
    for step in play.steps():

        def plan(faults: Faults, _: str, at: str = step) -> None:
            def late() -> None:
                stage_of().let_another_server_take_over()
                raise Refused(BUSY)

            faults.do(play.action, at, BEFORE, late)

        play.once(f"taken over before '{step}', which is then refused", plan)


def test_a_call_that_comes_late_to_a_host_makes_nothing_of_an_object_that_is_gone(play: Play) -> None:
    stage_of, steps = play.theatre.open, play.steps()
    for step, kind in zip(steps, play.theatre.kinds[play.place], strict=True):

        def plan(faults: Faults, uuid: str, at: str = step) -> None:
            def outlived() -> None:
                stage_of().let_another_server_take_over()
                play.scenario.clear(stage_of(), uuid)
                stage_of().let_another_server_perform()

            faults.do(play.action, at, BEFORE, outlived)

        if kind == "call":
            play.once(f"taken over before '{step}', and the object is deleted", plan, gone=True)


def test_a_delete_at_any_step_leaves_nothing(play: Play) -> None:
    stage_of = play.theatre.open
    for step in play.steps():

        def plan(faults: Faults, uuid: str, at: str = step) -> None:
            faults.do(play.action, at, AFTER_RECORD, lambda: play.scenario.clear(stage_of(), uuid))

        play.once(f"deleted after '{step}'", plan, gone=True)
