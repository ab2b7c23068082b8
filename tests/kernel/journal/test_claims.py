"""Claims: one worker at a time, results only under the current epoch, and work in flight that a restart finds again."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.journal.run import Claim
from stackyard.kernel.journal.tables import OPERATIONS
from stackyard.kernel.steps import Cancelled, Refused
from stackyard.testing.faults import ServerDied


def lose_the_claim(toy: Any) -> None:
    """Another server takes the claim over, as after a lease that ran out, and performs the operation."""
    toy.clock.skip(seconds=31)
    other = toy.server()
    assert other.run_one()


@pytest.mark.parametrize("moment", ["before", "after_effect"])
@pytest.mark.parametrize("step", ["make the body", "make the wheels"])
def test_a_late_answer_under_an_older_epoch_is_not_recorded(toy: Any, step: str, moment: str) -> None:
    thing = toy.create_thing()
    toy.faults.do("create", step, moment, lambda: lose_the_claim(toy))
    toy.run()
    assert toy.thing(thing).status == "Ready"
    assert [(name, tries) for _, name, _, tries in toy.steps(thing)] == [
        ("reserve a number", 1), ("make the body", 1), ("make the wheels", 1), ("is created", 1),
    ]
    (operation,) = toy.operations(thing)
    assert operation.epoch == 2


@pytest.mark.parametrize(
    "error", [Refused("late"), RuntimeError("late"), Cancelled("late")], ids=lambda error: type(error).__name__
)
def test_a_late_failure_under_an_older_epoch_changes_nothing(toy: Any, error: Exception) -> None:
    def overtaken_and_failing() -> None:
        lose_the_claim(toy)
        raise error

    thing = toy.create_thing()
    toy.faults.do("create", "make the body", "before", overtaken_and_failing)
    toy.run()
    assert toy.thing(thing).status == "Ready"
    assert not [name for phase, name, state, _ in toy.steps(thing) if phase == "undo" or state != "done"]


def test_a_server_that_dies_leaves_its_claim_to_its_successor(toy: Any) -> None:
    toy.faults.crash("create", "make the body", "before")
    thing = toy.create_thing()
    with pytest.raises(ServerDied):
        toy.workers.run_one()
    (operation,) = toy.operations(thing)
    assert operation.state == "running"
    toy.restart()
    (operation,) = toy.operations(thing)
    assert (operation.state, operation.server) == ("queued", None)


def test_another_server_takes_over_only_when_the_lease_has_run_out(toy: Any) -> None:
    toy.faults.crash("create", "make the body", "before")
    toy.create_thing()
    with pytest.raises(ServerDied):
        toy.workers.run_one()
    other = toy.server(place="other")
    other.recover()
    assert not other.run_one()
    toy.clock.skip(seconds=31)
    assert other.run_one()


def test_a_heartbeat_extends_the_lease_and_tells_what_was_lost_or_overtaken(toy: Any) -> None:
    kept, lost, overtaken = (toy.ready_thing() for _ in range(3))
    claims: list[Claim] = []
    for thing in (kept, lost, overtaken):
        toy.begin(thing, "polish")
        claims += toy.workers._claims.take()
    toy.workers._claims.release(claims[1])
    toy.begin(overtaken, "delete")
    toy.clock.skip(seconds=20)
    gone = toy.workers._claims.extend(claims)
    assert gone == {claims[1].operation.id, claims[2].operation.id}
    assert toy.operations(kept)[0].due_at > toy.clock.now() + timedelta(seconds=29)


def test_a_server_does_not_take_over_from_itself_after_the_machine_slept(toy: Any) -> None:
    toy.begin(toy.ready_thing(), "polish")
    assert toy.workers._claims.take()
    toy.clock.skip(hours=8)
    assert not toy.workers._claims.take()


def test_an_operation_whose_end_could_not_be_written_is_taken_up_again(toy: Any) -> None:
    thing = toy.create_thing()
    write, writes = toy.database.write, iter(range(99))

    def failing() -> Any:
        if next(writes) >= 3:
            raise Unavailable("The database does not answer.")
        return write()

    toy.database.write = failing
    with pytest.raises(Unavailable):
        toy.workers.run_one()
    toy.database.write = write
    keeper = toy.workers._claims
    assert keeper.reclaim([]) == 0, "not before the lease is over"
    toy.clock.skip(seconds=31)
    assert keeper.reclaim([]) == 1
    toy.run()
    assert toy.thing(thing).status == "Ready"


def test_an_operation_that_cannot_even_be_opened_does_not_hold_up_the_others(toy: Any) -> None:
    first, second = toy.ready_thing(), toy.ready_thing()
    toy.begin(first, "polish")
    toy.begin(second, "polish")
    declared = toy.book.registry.of(toy.resource)
    freeze = type(declared).freeze
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(declared), "freeze", lambda self, row: 1 // 0 if row.id == first else freeze(self, row))
        toy.run()
    assert toy.operations(first)[0].reason.startswith("ZeroDivisionError")
    assert toy.operations(second)[0].state == "done"


def test_many_workers_of_two_servers_perform_every_operation_once(toy: Any) -> None:
    calls: Counter[str] = Counter()
    at_work: Counter[str] = Counter()
    lock = threading.Lock()

    def make(thing: str, part: str) -> None:
        with lock:
            calls[thing] += 1
            at_work[thing] += 1
            assert at_work[thing] == 1, "one operation per object at a time"
        with lock:
            at_work[thing] -= 1

    toy.world.make = make
    things = [toy.ready_thing() for _ in range(10)]
    for thing in things * 3:
        toy.begin(thing, "polish")
    servers = [toy.server(threads=4, place=f"s{number}") for number in range(2)]
    for server in servers:
        server.start()
    servers[0].drain(20)
    for server in servers:
        assert server.stop(5)
    assert calls == Counter(dict.fromkeys(things, 3))
    assert {each.epoch for each in toy.operations()} == {1}


def test_an_operation_of_a_resource_that_is_no_longer_declared_fails_with_a_reason(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "polish")
    with toy.database.write() as tx:
        tx.update(OPERATIONS, {"resource": "relic"}, object_id=thing)
    toy.run()
    assert toy.operations(thing)[0].reason == "this Stackyard has no resource 'relic' in a room 'toys'"
