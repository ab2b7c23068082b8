"""Claims of other rooms: one candidate gives all, a refusal says what each lacks, and nobody gets more than there is,
however many ask at once, in how many threads and servers."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.assemble import rooms
from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import Conflict
from stackyard.kernel.journal import Book
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Database
from stackyard.kernel.work import Services, SystemClock, Work
from stackyard.rooms.placement import facade as placement
from stackyard.rooms.placement.facade import Candidate, Claim, Consumer, Inventory, NoHost
from stackyard.testing.postgres import postgres

SIZES = {"VCPU": Inventory(total=4, allocation_ratio=2.0), "MEMORY_MB": Inventory(total=1000)}


@dataclass
class Yard:
    """Hosts in a database, and who claims them."""

    database: Database

    def __post_init__(self) -> None:
        bound: Any = SimpleNamespace(base_url="", post=lambda *words: None, on=lambda *words: None)
        self.services = Services(
            database=self.database, journal=Book(rooms(), bound), policy=bound, clock=SystemClock(), nodes=bound,
            settings=bound, bound={}, signal=lambda name: None,
        )  # fmt: skip

    @contextmanager
    def work(self) -> Iterator[Work]:
        with self.database.write() as tx:
            yield self.services.work(tx, Caller(user_id="u", project_id="p"))

    def offer(self, *names: str, sizes: dict[str, Inventory] = SIZES) -> None:
        with self.work() as work:
            for name in names:
                placement.offer(work, f"uuid-of-{name}", name, sizes)

    def claim(self, consumer: str, *names: str, refusal: str = "", **needs: int) -> str:
        candidates = [Candidate(provider=f"uuid-of-{each}", name=each, refusal=refusal) for each in names]
        with self.work() as work:
            return placement.claim(work, _consumer(consumer), needs, candidates, spread="MEMORY_MB")

    def used(self, name: str) -> dict[str, int]:
        with self.work() as work:
            return placement.used(work, [f"uuid-of-{name}"]).get(f"uuid-of-{name}", {})

    def release(self, consumer: str) -> None:
        with self.work() as work:
            placement.release(work, consumer)


def _consumer(name: str) -> Consumer:
    return Consumer(id=name, project_id="p", user_id="u", type="THING")


@contextmanager
def _yard(url: str) -> Iterator[Yard]:
    database = Database(url)
    migrations.upgrade(database, rooms())
    yield Yard(database)
    database.close()


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, own_database: Callable[[str], str]) -> Iterator[Yard]:
    with _yard(own_database(f"sqlite:///{tmp_path_factory.mktemp('yard')}/yard.db")) as made:
        yield made


def _names(number: int) -> list[str]:
    return [f"host-{uuid4()}" for _ in range(number)]


def test_the_candidate_with_most_room_gives_everything(yard: Yard) -> None:
    small, large = _names(2)
    yard.offer(small)
    yard.offer(large, sizes={**SIZES, "MEMORY_MB": Inventory(total=2000)})
    assert yard.claim("a", small, large, VCPU=1, MEMORY_MB=600) == f"uuid-of-{large}"
    assert yard.claim("b", small, large, VCPU=1, MEMORY_MB=600) == f"uuid-of-{large}"
    assert yard.claim("c", small, large, VCPU=1, MEMORY_MB=600) == f"uuid-of-{small}"
    assert yard.used(large) == {"VCPU": 2, "MEMORY_MB": 1200}


def test_a_refusal_names_each_candidate_and_everything_it_lacks_by_how_much(yard: Yard) -> None:
    full, poor, away = _names(3)
    yard.offer(full, away)
    yard.offer(poor, sizes={"VCPU": Inventory(total=1)})
    yard.claim("a", full, VCPU=4, MEMORY_MB=900)
    with pytest.raises(NoHost) as refused:
        yard.claim("b", full, poor, VCPU=5, MEMORY_MB=200)
    assert refused.value.lacks == {
        full: "VCPU: needs 5, 4 of 8 are free, 1 too few, MEMORY_MB: needs 200, 100 of 1000 are free, 100 too few",
        poor: "VCPU: needs 5, 1 of 1 are free, 4 too few, MEMORY_MB: needs 200, it has none",
    }
    with pytest.raises(NoHost, match=r"No valid host was found. host-\S+: it is away"):
        yard.claim("b", away, VCPU=1, refusal="it is away")
    with pytest.raises(NoHost, match="there is none yet"):
        yard.claim("b", VCPU=1)


def test_who_claims_again_moves_and_takes_nothing_along(yard: Yard) -> None:
    here, there = _names(2)
    yard.offer(here, there)
    yard.claim("mover", here, VCPU=8)
    assert yard.claim("mover", here, VCPU=6) == f"uuid-of-{here}"
    assert yard.claim("mover", there, VCPU=7) == f"uuid-of-{there}"
    assert (yard.used(here), yard.used(there)) == ({}, {"VCPU": 7})
    yard.release("mover")
    yard.release("mover")
    assert yard.used(there) == {}


def test_what_is_so_already_is_written_down_whether_there_is_room_or_not(yard: Yard) -> None:
    [host] = _names(1)
    yard.offer(host)
    with yard.work() as work:
        placement.record(work, _consumer("big"), f"uuid-of-{host}", {"VCPU": 99, "MEMORY_MB": 0})
        assert placement.claims(work, "THING")["big"] == [Claim(f"uuid-of-{host}", {"VCPU": 99})]
    with pytest.raises(NoHost, match="needs 1, 0 of 8 are free, 1 too few"):
        yard.claim("small", host, VCPU=1)


def test_totals_follow_the_host_and_an_operators_choices_stay(yard: Yard) -> None:
    [host] = _names(1)
    yard.offer(host, sizes={"VCPU": Inventory(total=4, max_unit=4, allocation_ratio=2.0)})
    with pytest.raises(NoHost, match="VCPU: 6 is more than one may have, 4"):
        yard.claim("wide", host, VCPU=6)
    yard.offer(host, sizes={"VCPU": Inventory(total=8, max_unit=8, allocation_ratio=1.0)})
    assert yard.claim("wide", host, VCPU=8) == f"uuid-of-{host}"
    assert yard.claim("more", host, VCPU=8) == f"uuid-of-{host}", "the ratio is still 2, as it was given first"
    with pytest.raises(Conflict, match="has the name of the host"), yard.work() as work:
        placement.offer(work, "another", host, SIZES)


_MOVES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 8), st.integers(0, 700)), max_size=12)


@given(_MOVES)
@settings(max_examples=20)
def test_however_claims_come_and_go_no_host_gives_more_than_it_has(
    yard: Yard, moves: list[tuple[str, int, int]]
) -> None:
    hosts = _names(2)
    yard.offer(*hosts)
    held: dict[str, tuple[str, int, int]] = {}
    prefix = str(uuid4())
    for name, cores, memory in moves:
        consumer = f"{prefix}-{name}"
        if not cores and not memory:
            yard.release(consumer)
            held.pop(name, None)
            continue
        try:
            held[name] = (yard.claim(consumer, *hosts, VCPU=cores, MEMORY_MB=memory), cores, memory)
        except NoHost:
            others = [each for other, each in held.items() if other != name]
            assert all(
                sum(each[1] for each in others if each[0] == f"uuid-of-{host}") + cores > 8
                or sum(each[2] for each in others if each[0] == f"uuid-of-{host}") + memory > 1000
                for host in hosts
            ), "refused, although one had room"
        for host in hosts:
            here = [each for each in held.values() if each[0] == f"uuid-of-{host}"]
            used = {"VCPU": sum(each[1] for each in here), "MEMORY_MB": sum(each[2] for each in here)}
            assert yard.used(host) == {each: amount for each, amount in used.items() if amount}
            assert used["VCPU"] <= 8
            assert used["MEMORY_MB"] <= 1000
    for name in held:
        yard.release(f"{prefix}-{name}")


def claim_all(yard: Yard, hosts: list[str], times: int, prefix: str) -> int:
    """Claim a core so many times; how often there was one."""
    had = 0
    for number in range(times):
        try:
            yard.claim(f"{prefix}-{number}", *hosts, VCPU=1, MEMORY_MB=1)
            had += 1
        except NoHost:
            continue
    return had


def test_many_threads_of_several_servers_get_exactly_what_there_is(yard: Yard) -> None:
    hosts, got = _names(2), list[int]()
    yard.offer(*hosts)
    servers = [yard, Yard(Database(yard.database.url))]

    def ask(number: int) -> None:
        got.append(claim_all(servers[number % 2], hosts, 4, f"thread-{number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    servers[1].database.close()
    assert sum(got) == 16
    assert [yard.used(host)["VCPU"] for host in hosts] == [8, 8]


@pytest.mark.thorough
def test_several_servers_on_one_postgresql_get_exactly_what_there_is() -> None:
    """Servers are processes here, with four threads each."""
    with postgres() as server, _yard(server.database("claims")) as yard:
        hosts = _names(3)
        sizes = {"VCPU": Inventory(total=20, allocation_ratio=2.0), "MEMORY_MB": Inventory(total=9999)}
        yard.offer(*hosts, sizes=sizes)
        children = [
            subprocess.Popen(
                [sys.executable, "-c", _SERVER, yard.database.url, f"server-{number}", *hosts],
                stdout=subprocess.PIPE, text=True,
            )
            for number in range(3)
        ]  # fmt: skip
        got = [int(each.communicate(timeout=120)[0]) for each in children]
        assert sum(got) == 120, got
        assert [yard.used(host)["VCPU"] for host in hosts] == [40, 40, 40]


_SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from stackyard.kernel.storage.database import Database
from tests.rooms.placement.test_claims import Yard, claim_all
url, name, *hosts = sys.argv[1:]
yard = Yard(Database(url))
with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda number: claim_all(yard, hosts, 15, f"{name}-{number}"), range(4))))
yard.database.close()
"""
