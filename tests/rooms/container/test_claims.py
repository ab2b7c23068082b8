"""What containers claim of their hosts, as the Placement API shows it: from the accepted request to the end."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from stackyard.rooms.container.driver import EngineRefused
from tests.rooms.container.zun import Zun


class Book:
    """The placement service as the administrator asks it."""

    def __init__(self, admin: Zun) -> None:
        self._person = admin.person

    def __call__(self, method: str, path: str, body: Any = None, ok: int = 200) -> Any:
        answer = self._person(method, f"/placement{path}", body, ok=ok, OpenStack_API_Version="placement 1.39")
        return answer.json() if answer.content else None

    def claimed(self, container: str) -> dict[str, int]:
        """What a container claims, of whichever host."""
        found = self("GET", f"/allocations/{container}")["allocations"].values()
        return {name: amount for each in found for name, amount in each["resources"].items()}

    @property
    def host(self) -> str:
        """The provider of the one host."""
        return str(self("GET", "/resource_providers?name=testhost")["resource_providers"][0]["uuid"])

    def inventories(self) -> dict[str, Any]:
        return dict(self("GET", f"/resource_providers/{self.host}/inventories")["inventories"])

    def set_inventories(self, wanted: dict[str, Any]) -> None:
        generation = self("GET", f"/resource_providers/{self.host}")["generation"]
        body = {"inventories": wanted, "resource_provider_generation": generation}
        self("PUT", f"/resource_providers/{self.host}/inventories", body)


@pytest.fixture
def book(admin: Zun) -> Book:
    return Book(admin)


@pytest.fixture
def lent(book: Book) -> Iterator[dict[str, Any]]:
    """The host's inventories, which are as they were afterwards."""
    before = book.inventories()
    yield {name: dict(each) for name, each in before.items()}
    book.set_inventories(before)


def test_a_host_is_a_provider_of_what_its_node_says_that_it_has(book: Book, admin: Zun) -> None:
    shown = {name: (each["total"], each["allocation_ratio"]) for name, each in book.inventories().items()}
    assert shown == {
        "VCPU": (8, 16.0), "MEMORY_MB": (16384, 1.5), "DISK_GB": (100, 1.0), "CUSTOM_CONTAINER": (1000, 1.0),
    }  # fmt: skip
    [host] = admin("GET", "/hosts").json()["hosts"]
    assert host["uuid"] == book.host
    generation = book("GET", f"/resource_providers/{book.host}")["generation"]
    admin.reconcile("hosts")
    assert book("GET", f"/resource_providers/{book.host}")["generation"] == generation, "nothing was new"


def test_a_claim_is_there_with_the_accepted_container_and_gone_with_its_row(book: Book, demo: Zun) -> None:
    made = demo("POST", "/containers", {"image": "web", "cpu": 1.5, "memory": "100", "disk": 3}).json()["uuid"]
    claimed = {"VCPU": 2, "MEMORY_MB": 100, "DISK_GB": 3, "CUSTOM_CONTAINER": 1}
    assert book.claimed(made) == claimed
    demo.cloud.settle()
    shown = book("GET", f"/allocations/{made}")
    assert (shown["consumer_type"], shown["project_id"]) == ("CONTAINER", demo.person.project_id)
    assert book.claimed(made) == claimed
    demo.delete(made)
    assert book.claimed(made) == {}


def test_what_grows_is_claimed_at_once_and_what_shrinks_when_it_has(book: Book, demo: Zun) -> None:
    uuid = demo.run(cpu=2, memory="100")
    assert demo("PATCH", f"/containers/{uuid}", {"cpu": 1, "memory": "200"}).status_code == 200
    demo.cloud.settle()
    assert book.claimed(uuid) == {"VCPU": 1, "MEMORY_MB": 200, "CUSTOM_CONTAINER": 1}


def test_limits_that_the_engine_refuses_are_not_claimed_any_longer(book: Book, demo: Zun) -> None:
    uuid = demo.run(memory="100")
    demo.cloud.transitions.fail("container driver", "update", EngineRefused("it cannot be", uuid), times=1)
    demo("PATCH", f"/containers/{uuid}", {"memory": "200"})
    demo.cloud.settle()
    assert (demo.show(uuid)["memory"], book.claimed(uuid)["MEMORY_MB"]) == ("100", 100)


def test_a_container_cannot_grow_beyond_its_host(book: Book, demo: Zun, lent: dict[str, Any]) -> None:
    uuid = demo.run(memory="100")
    lent["MEMORY_MB"] |= {"total": 120, "max_unit": 120, "allocation_ratio": 1.0}
    book.set_inventories(lent)
    answer = demo("PATCH", f"/containers/{uuid}", {"memory": "121"})
    assert answer.status_code == 409
    assert "testhost: MEMORY_MB: needs 121, 120 of 120 are free, 1 too few" in answer.text
    assert (demo.show(uuid)["memory"], book.claimed(uuid)["MEMORY_MB"]) == ("100", 100)


def test_a_host_whose_operator_reserves_everything_gets_no_containers(
    book: Book, demo: Zun, admin: Zun, lent: dict[str, Any]
) -> None:
    uuid = demo.run()
    lent["CUSTOM_CONTAINER"]["reserved"] = lent["CUSTOM_CONTAINER"]["total"]
    book.set_inventories(lent)
    admin.reconcile("hosts")
    shown = demo.show(demo.run())
    assert shown["status"] == "Error"
    assert "testhost: CUSTOM_CONTAINER: needs 1, 0 of 0 are free, 1 too few" in shown["status_reason"]
    assert book.claimed(shown["uuid"]) == {}
    assert demo.status(uuid) == "Running"


def test_a_host_that_is_not_there_is_claimed_by_nobody(book: Book, admin: Zun) -> None:
    admin.network("10.77.0.0/24")
    shown = admin.show(admin.run(host="nowhere"))
    assert (shown["status"], shown["host"]) == ("Error", None)
    assert "testhost: host nowhere was asked for" in shown["status_reason"]
    assert book.claimed(shown["uuid"]) == {}
    placed = admin.show(admin.run(host="testhost"))
    assert (placed["status"], placed["host"]) == ("Running", "testhost")


def test_what_is_claimed_otherwise_than_rows_say_is_told_and_mended(book: Book, demo: Zun, admin: Zun) -> None:
    right, lost, wrong, nobodys = demo.run(memory="64"), demo.run(memory="64"), demo.run(memory="64"), str(uuid4())
    book("DELETE", f"/allocations/{lost}", ok=204)
    theirs = book("GET", f"/allocations/{wrong}")
    theirs["allocations"] = {book.host: {"resources": {"MEMORY_MB": 65}}}
    book("PUT", f"/allocations/{wrong}", theirs, ok=204)
    book("PUT", f"/allocations/{nobodys}", {**theirs, "consumer_generation": None}, ok=204)
    told = admin.mismatches()
    needed = "on testhost needs 1 CUSTOM_CONTAINER, 64 MEMORY_MB; claimed for it there"
    assert f"container {lost} {needed}: nothing" in told
    assert f"container {wrong} {needed}: 65 MEMORY_MB" in told
    assert f"claimed for container {nobodys}, which is on no host: 65 MEMORY_MB" in told
    assert not [each for each in told if right in each]
    admin.reconcile("claims")
    assert admin.mismatches() == []
    assert book.claimed(lost) == book.claimed(wrong) == book.claimed(right)
    assert book.claimed(nobodys) == {}
