"""Allocation candidates: every way in which a request could be satisfied, and no other."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from stackyard.rooms.placement.resources.trait.rules import SHARES
from tests.rooms.placement.conftest import NEWEST, Placement


class Yard:
    """Two hosts with two parts each, a share that both may use, and a third host that may not.

    left                    right                     apart             share
    ├ left-0  CORE 4 FAST   ├ right-0 CORE 4          CORE 4 DISK 10    DISK 100
    └ left-1  CORE 2        └ right-1 CORE 8 FAST
    """

    def __init__(self, admin: Placement) -> None:
        self.admin = admin
        self.aggregate, self.second = str(uuid4()), str(uuid4())
        self.uuids: dict[str, str] = {}
        for name in ("left", "right"):
            self.uuids[name] = admin.provider()
            admin.set_aggregates(self.uuids[name], self.aggregate)
        for name, cores in (("left-0", 4), ("left-1", 2), ("right-0", 4), ("right-1", 8)):
            self.uuids[name] = admin.provider(parent=self.uuids[name[:-2]], CUSTOM_CORE=cores)
        for name in ("left-0", "right-1"):
            admin.set_traits(self.uuids[name], "CUSTOM_FAST")
        admin.set_traits(self.uuids["right"], "CUSTOM_NEW")
        self.uuids["apart"] = admin.provider(CUSTOM_CORE=4, CUSTOM_DISK=10)
        admin.set_aggregates(self.uuids["apart"], self.second)
        self.uuids["share"] = admin.provider(CUSTOM_DISK=100)
        admin.set_traits(self.uuids["share"], SHARES)
        admin.set_aggregates(self.uuids["share"], self.aggregate)
        self.names = {uuid: name for name, uuid in self.uuids.items()}

    def ask(self, *query: tuple[str, str], version: str = NEWEST) -> Any:
        return self.admin.get(f"/allocation_candidates?{urlencode(list(self._filled(query)))}", version)

    def _filled(self, query: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        for name, value in query:
            yield name, self.uuids.get(value, value)

    def found(self, *query: tuple[str, str], version: str = NEWEST) -> list[str]:
        """The candidates in a reader's words, such as "left-0 CORE 2 + share DISK 5"."""
        return sorted(self._said(each) for each in self.ask(*query, version=version)["allocation_requests"])

    def _said(self, candidate: Any) -> str:
        return " + ".join(
            sorted(
                f"{self.names[uuid]} {name.removeprefix('CUSTOM_')} {amount}"
                for uuid, each in candidate["allocations"].items()
                for name, amount in each["resources"].items()
            )
        )


@pytest.fixture(scope="module")
def yard(admin: Placement) -> Yard:
    return Yard(admin)


def test_each_part_that_has_enough_is_a_candidate(yard: Yard) -> None:
    assert yard.found(("resources", "CUSTOM_CORE:3")) == [
        "apart CORE 3", "left-0 CORE 3", "right-0 CORE 3", "right-1 CORE 3",
    ]  # fmt: skip
    assert yard.found(("resources", "CUSTOM_CORE:9")) == []


def test_what_is_used_is_not_offered_again(yard: Yard) -> None:
    consumer = yard.admin.allocate({yard.uuids["right-1"]: {"CUSTOM_CORE": 6}})
    assert "right-1 CORE 3" not in yard.found(("resources", "CUSTOM_CORE:3"))
    summary = yard.ask(("resources", "CUSTOM_CORE:1"))["provider_summaries"][yard.uuids["right-1"]]
    assert summary == {
        "resources": {"CUSTOM_CORE": {"capacity": 8, "used": 6}}, "traits": ["CUSTOM_FAST"],
        "parent_provider_uuid": yard.uuids["right"], "root_provider_uuid": yard.uuids["right"],
    }  # fmt: skip
    yard.admin("DELETE", f"/allocations/{consumer}", ok=204)


def test_a_share_serves_the_trees_of_its_aggregates_and_no_others(yard: Yard) -> None:
    assert yard.found(("resources", "CUSTOM_CORE:4,CUSTOM_DISK:5")) == [
        "apart CORE 4 + apart DISK 5", "left-0 CORE 4 + share DISK 5", "right-0 CORE 4 + share DISK 5",
        "right-1 CORE 4 + share DISK 5",
    ]  # fmt: skip
    assert yard.found(("resources", "CUSTOM_CORE:4,CUSTOM_DISK:50"), ("in_tree", "left")) == []


def test_traits_are_required_of_a_part_or_forbidden(yard: Yard) -> None:
    assert yard.found(("resources", "CUSTOM_CORE:1"), ("required", "CUSTOM_FAST")) == [
        "left-0 CORE 1", "right-1 CORE 1",
    ]  # fmt: skip
    assert yard.found(("resources", "CUSTOM_CORE:1"), ("required", "!CUSTOM_FAST"), ("in_tree", "left")) == [
        "left-1 CORE 1"
    ]
    either = ("required", f"in:CUSTOM_FAST,{SHARES}")
    assert yard.found(("resources", "CUSTOM_CORE:8"), either, ("required", "CUSTOM_FAST")) == ["right-1 CORE 8"]
    assert yard.found(("resources", "CUSTOM_CORE:4"), ("root_required", "CUSTOM_NEW")) == [
        "right-0 CORE 4", "right-1 CORE 4",
    ]  # fmt: skip
    assert yard.found(("resources", "CUSTOM_CORE:4"), ("root_required", "!CUSTOM_NEW")) == [
        "apart CORE 4", "left-0 CORE 4",
    ]  # fmt: skip


def test_aggregates_are_asked_of_a_part_or_the_top_of_its_tree(yard: Yard) -> None:
    cores = ("resources", "CUSTOM_CORE:4")
    assert yard.found(cores, ("member_of", yard.second)) == ["apart CORE 4"]
    assert yard.found(cores, ("member_of", f"!{yard.second}"), ("in_tree", "left")) == ["left-0 CORE 4"]
    assert len(yard.found(cores, ("member_of", f"in:{yard.second},{yard.aggregate}"))) == 4
    assert yard.found(cores, ("member_of", str(uuid4()))) == []


def test_groups_are_each_satisfied_by_one_provider(yard: Yard) -> None:
    two = (("resources1", "CUSTOM_CORE:2"), ("resources2", "CUSTOM_CORE:2"), ("in_tree1", "left"), ("in_tree2", "left"))
    assert yard.found(*two, ("group_policy", "isolate")) == ["left-0 CORE 2 + left-1 CORE 2"] * 2
    assert yard.found(*two, ("group_policy", "none")) == [
        "left-0 CORE 2 + left-1 CORE 2", "left-0 CORE 2 + left-1 CORE 2", "left-0 CORE 4",
    ]  # fmt: skip
    [one] = yard.ask(
        ("resources_BIG", "CUSTOM_CORE:4"), ("required_BIG", "CUSTOM_FAST"), ("resources", "CUSTOM_DISK:1"),
        ("in_tree_BIG", "left"),
    )["allocation_requests"]  # fmt: skip
    assert one["mappings"] == {"_BIG": [yard.uuids["left-0"]], "": [yard.uuids["share"]]}


def test_groups_can_be_asked_to_lie_under_one_of_them(yard: Yard) -> None:
    query = (
        ("resources_A", "CUSTOM_CORE:2"), ("resources_B", "CUSTOM_CORE:2"), ("group_policy", "isolate"),
        ("required_TOP", "CUSTOM_NEW"),
    )  # fmt: skip
    assert yard.found(*query[:3], ("same_subtree", "_A,_B")) == []
    assert yard.found(*query, ("same_subtree", "_A,_B,_TOP")) == ["right-0 CORE 2 + right-1 CORE 2"] * 2


def test_as_many_are_given_as_are_asked_for(yard: Yard) -> None:
    answer = yard.ask(("resources", "CUSTOM_CORE:1"), ("limit", "2"))
    assert len(answer["allocation_requests"]) == 2
    roots = {each["root_provider_uuid"] for each in answer["provider_summaries"].values()}
    assert len(roots) == 2


def test_a_candidate_is_the_body_of_a_claim(yard: Yard) -> None:
    [candidate] = yard.ask(("resources", "CUSTOM_CORE:8"))["allocation_requests"]
    more = {"project_id": "p", "user_id": "u", "consumer_type": "INSTANCE", "consumer_generation": None}
    consumer = uuid4()
    yard.admin("PUT", f"/allocations/{consumer}", {**candidate, **more}, ok=204)
    yard.admin("DELETE", f"/allocations/{consumer}", ok=204)


def test_older_versions_know_less(yard: Yard) -> None:
    old = yard.ask(("resources", "CUSTOM_CORE:8"), version="1.10")
    [candidate] = old["allocation_requests"]
    assert candidate["allocations"][0]["resource_provider"] == {"uuid": yard.uuids["right-1"]}
    assert set(old["provider_summaries"]) == {yard.uuids["right-1"]}
    assert yard.found(("resources", "CUSTOM_CORE:4,CUSTOM_DISK:5"), version="1.28")[0] == "apart CORE 4 + apart DISK 5"


def test_a_search_that_leads_nowhere_ends(admin: Placement) -> None:
    top = admin.provider()
    for _ in range(9):
        admin.provider(parent=top, CUSTOM_PORT=1)
    groups = "&".join(f"resources{number}=CUSTOM_PORT:1" for number in range(1, 15))
    found = admin.get(f"/allocation_candidates?{groups}&group_policy=isolate")
    assert found == {"allocation_requests": [], "provider_summaries": {}}


@pytest.mark.parametrize(
    ("version", "query", "code"),
    [
        ("1.39", "", "placement.query.missing_value"),
        ("1.39", "required=CUSTOM_FAST", "placement.query.missing_value"),
        ("1.39", "resources=CUSTOM_CORE:1&wrong=1", "placement.undefined_code"),
        ("1.39", "resources=CUSTOM_CORE:1&required1=CUSTOM_FAST", "placement.query.bad_value"),
        ("1.39", "resources1=CUSTOM_CORE:1&resources2=CUSTOM_CORE:1", "placement.query.bad_value"),
        ("1.39", "resources1=CUSTOM_CORE:1&same_subtree=1,2", "placement.query.bad_value"),
        ("1.39", "resources1=CUSTOM_CORE:1&same_subtree=", "placement.query.bad_value"),
        ("1.39", "resources=CUSTOM_CORE:1&root_required=X&root_required=Y", "placement.query.duplicate_key"),
        ("1.39", "resources=CUSTOM_CORE:1&root_required=in:CUSTOM_FAST", "placement.query.bad_value"),
        ("1.39", "resources=CUSTOM_CORE:1&limit=0", "placement.undefined_code"),
        ("1.39", "resources=CUSTOM_CORE:1&group_policy=any", "placement.undefined_code"),
        ("1.39", "resources=CUSTOM_CORE:1&in_tree=x", "placement.query.bad_value"),
        ("1.39", "resources=NONE_SUCH:1", "placement.undefined_code"),
        ("1.39", "resources=CUSTOM_CORE:1&required=NONE_SUCH", "placement.undefined_code"),
        ("1.35", "resources1=CUSTOM_CORE:1&same_subtree=1", "placement.undefined_code"),
        ("1.32", "resources_A=CUSTOM_CORE:1", "placement.undefined_code"),
        ("1.24", "resources1=CUSTOM_CORE:1", "placement.undefined_code"),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(admin: Placement, version: str, query: str, code: str) -> None:
    admin("PUT", "/resource_classes/CUSTOM_CORE")
    admin("PUT", "/traits/CUSTOM_FAST")
    assert admin.error("GET", f"/allocation_candidates?{query}", ok=400, version=version)["code"] == code


def test_the_trait_of_those_who_share_is_one_of_the_standard_ones(admin: Placement) -> None:
    assert admin.get(f"/traits?name=in:{SHARES}")["traits"] == [SHARES]
