"""Quotas: no project gets more than it may have, however many ask at once, on either database and by several
servers."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stackyard.assemble
from stackyard.kernel import quota
from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import QuotaExceeded
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Database, Record, Transaction
from stackyard.kernel.work import Services, SystemClock, Work
from tests.kernel.toy import BOX, SilentJournal

BOXES = replace(BOX, quotas=[Quota("toy", "boxes", 5), Quota("toy", "room", 12, column="size")])


class Shop:
    """Boxes of some projects in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        bound: Any = SimpleNamespace(base_url="")
        self.services = Services(
            database=database, journal=SilentJournal(), policy=bound, clock=SystemClock(), nodes=bound, settings=bound,
            bound={}, signal=lambda name: None,
        )  # fmt: skip

    def work(self, tx: Transaction, project: str = "p") -> Work:
        return self.services.work(tx, Caller(user_id="u", project_id=project, roles=("member",)))

    def add(self, size: int = 1, project: str = "p", **more: Any) -> Record:
        with self.database.write() as tx:
            return rows.insert(self.work(tx, project), BOXES, {"size": size, **more})

    def grow(self, box: Record, size: int) -> Record:
        with self.database.write() as tx:
            return rows.change(self.work(tx), BOXES, box, {"size": size})

    def remove(self, box: Record) -> None:
        with self.database.write() as tx:
            rows.remove(self.work(tx), BOXES, box)

    def allow(self, project: str = "p", **limits: int) -> None:
        with self.database.write() as tx:
            quota.set_for_project(self.work(tx), "toy", project, limits)

    def used(self, project: str = "p") -> dict[str, Any]:
        with self.database.read() as tx:
            return quota.usage(self.work(tx), BOXES, project)


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    database = Database(database_url)
    BOX.table.create(database.engine)
    quota.LIMITS.create(database.engine)
    yield Shop(database)
    database.close()


def test_the_last_place_is_given_and_then_no_more(shop: Shop) -> None:
    for _ in range(5):
        shop.add()
    with pytest.raises(QuotaExceeded, match="boxes: 5 of at most 5 are used, 1 more asked for"):
        shop.add()
    shop.add(project="another")


def test_what_is_deleted_makes_room(shop: Shop) -> None:
    boxes = [shop.add() for _ in range(5)]
    shop.remove(boxes[0])
    shop.add()


def test_everything_that_is_exceeded_is_named(shop: Shop) -> None:
    shop.allow(boxes=0, room=0)
    with pytest.raises(QuotaExceeded, match=r"\['boxes', 'room'\]"):
        shop.add()


def test_growing_is_held_to_the_quota_and_shrinking_never(shop: Shop) -> None:
    box = shop.add(9)
    shop.add(2)
    with pytest.raises(QuotaExceeded, match="room: 11 of at most 12"):
        shop.grow(box, 11)
    box = shop.grow(box, 8)
    shop.allow(boxes=0, room=0)
    box = shop.grow(box, 7)
    assert shop.used() == {"boxes": 2, "room": 9}


def test_what_belongs_to_no_project_and_what_the_cloud_makes_is_not_limited(shop: Shop) -> None:
    shop.allow(boxes=0)
    shop.allow("", boxes=0)
    shop.add(project_id="")
    with shop.database.write() as tx:
        rows.insert(shop.work(tx), BOXES, {"size": 1}, limited=False)


def test_less_than_nothing_is_no_limit(shop: Shop) -> None:
    shop.allow(boxes=-1, room=-1)
    for _ in range(9):
        shop.add(9)


def test_what_has_no_limit_is_not_counted(shop: Shop) -> None:
    shop.allow(boxes=-1, room=-1)
    with mock.patch.object(quota, "usage", side_effect=AssertionError("counted")):
        shop.add()
        shop.allow(room=2)
        with pytest.raises(AssertionError, match="counted"):
            shop.add()


def test_a_project_without_limits_has_those_of_the_default_class(shop: Shop) -> None:
    with shop.database.write() as tx:
        work = shop.work(tx)
        quota.set_for_class(work, "toy", quota.DEFAULT_CLASS, {"boxes": 2})
        quota.set_for_class(work, "another", quota.DEFAULT_CLASS, {"boxes": 1})
        quota.set_for_project(work, "toy", "rich", {"boxes": 3})
        assert quota.limits(work, BOXES.quotas, "p") == {"boxes": 2, "room": 12}
        assert quota.limits(work, BOXES.quotas, "rich") == {"boxes": 3, "room": 12}
        assert quota.projects_with_own(work, "toy") == {"rich": {"boxes": 3}}
        assert quota.reset(work, "toy", "rich") == 1
        assert quota.limits(work, BOXES.quotas, "rich") == {"boxes": 2, "room": 12}


@given(
    st.lists(st.tuples(st.sampled_from(["add", "grow", "remove"]), st.integers(1, 9), st.integers(0, 9)), max_size=25)
)
def test_however_things_come_and_go_usage_is_what_is_there_and_never_too_much(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int, int]]
) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.db")
    BOX.table.create(database.engine)
    quota.LIMITS.create(database.engine)
    shop, boxes = Shop(database), list[Record]()
    for move, size, which in moves:
        before = list(boxes)
        try:
            if move == "add":
                boxes.append(shop.add(size))
            elif boxes:
                box = boxes.pop(which % len(boxes))
                if move == "grow":
                    boxes.append(shop.grow(box, size))
                else:
                    shop.remove(box)
        except QuotaExceeded:
            boxes = before
        assert shop.used() == {"boxes": len(boxes), "room": sum(each["size"] for each in boxes)}
        assert len(boxes) <= 5
        assert sum(each["size"] for each in boxes) <= 12
    database.close()


def test_many_threads_of_several_servers_get_exactly_what_there_is(shop: Shop) -> None:
    servers = [shop, Shop(Database(shop.database.url))]
    shop.allow(boxes=20, room=-1)
    outcomes: list[bool] = []

    def ask(server: Shop) -> None:
        for _ in range(5):
            try:
                server.add()
                outcomes.append(True)
            except QuotaExceeded:
                outcomes.append(False)

    threads = [threading.Thread(target=ask, args=(servers[number % 2],)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    servers[1].database.close()
    assert sorted(outcomes) == [False] * 20 + [True] * 20
    assert shop.used()["boxes"] == 20


LIMITED = [each for room in stackyard.assemble.rooms() for each in room.resources if each.quotas]


@pytest.mark.parametrize("resource", LIMITED, ids=lambda each: each.name)
def test_every_declared_quota_can_be_counted(resource: Any, tmp_path: Path) -> None:
    """By an index on the project, and by columns that are there."""
    columns = resource.table.c
    assert columns.project_id.index, f"counting {resource.many} reads the whole table"
    for each in resource.quotas:
        assert each.column is None or each.column in columns
