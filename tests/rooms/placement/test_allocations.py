"""Allocations: what is claimed is there, once, and whoever has not read what is now is refused."""

from typing import Any
from uuid import uuid4

import pytest

from stackyard.testing.cloud import RunningCloud
from tests.rooms.placement.conftest import Placement, wanted


def test_a_consumer_has_what_it_was_given_until_it_lets_go(admin: Placement) -> None:
    uuid = admin.provider(VCPU=4, MEMORY_MB=1024)
    consumer = admin.allocate({uuid: {"VCPU": 2, "MEMORY_MB": 512}})
    assert admin.get(f"/allocations/{consumer}") == {
        "allocations": {uuid: {"generation": 3, "resources": {"VCPU": 2, "MEMORY_MB": 512}}},
        "project_id": "a-project", "user_id": "a-user", "consumer_generation": 1, "consumer_type": "INSTANCE",
    }  # fmt: skip
    assert set(admin.get(f"/allocations/{consumer}", "1.27")) == {"allocations", "project_id", "user_id"}
    assert set(admin.get(f"/allocations/{consumer}", "1.11")) == {"allocations"}
    assert admin.get(f"/resource_providers/{uuid}/allocations")["allocations"] == {
        consumer: {"resources": {"VCPU": 2, "MEMORY_MB": 512}, "consumer_generation": 1}
    }
    admin("DELETE", f"/allocations/{consumer}", ok=204)
    admin("DELETE", f"/allocations/{consumer}", ok=404)
    assert admin.get(f"/allocations/{consumer}") == {"allocations": {}}


def test_more_than_there_is_is_refused_and_by_how_much_is_said(admin: Placement) -> None:
    uuid = admin.provider(VCPU={"total": 4, "reserved": 1, "allocation_ratio": 2.0})
    admin.allocate({uuid: {"VCPU": 4}})
    error = admin.error("PUT", f"/allocations/{uuid4()}", wanted({uuid: {"VCPU": 3}}), ok=409)
    assert "needs 3, 2 are free, 1 too few" in error["detail"]
    admin.allocate({uuid: {"VCPU": 2}})


@pytest.mark.parametrize("amount", [1, 3, 9])
def test_a_claim_keeps_to_the_units_of_the_inventory(admin: Placement, amount: int) -> None:
    uuid = admin.provider(VCPU={"total": 16, "min_unit": 2, "max_unit": 8, "step_size": 2})
    admin.allocate({uuid: {"VCPU": amount}}, ok=409)


def test_a_consumer_that_has_changed_meanwhile_is_not_changed_again(admin: Placement) -> None:
    uuid = admin.provider(VCPU=4)
    consumer = admin.allocate({uuid: {"VCPU": 1}})
    error = admin.error("PUT", f"/allocations/{consumer}", wanted({uuid: {"VCPU": 2}}), ok=409)
    assert error["code"] == "placement.concurrent_update"
    assert "expected 1 but got null" in error["detail"]
    admin.allocate({uuid: {"VCPU": 2}}, consumer, generation=1)
    error = admin.error("PUT", f"/allocations/{uuid4()}", wanted({uuid: {"VCPU": 1}}, generation=1), ok=409)
    assert "expected null but got 1" in error["detail"]
    admin.allocate({}, consumer, generation=2)
    assert admin.get(f"/allocations/{consumer}") == {"allocations": {}}


def test_who_takes_less_is_not_refused_where_too_much_is_used(admin: Placement) -> None:
    uuid = admin.provider(VCPU={"total": 4, "allocation_ratio": 2.0})
    consumer = admin.allocate({uuid: {"VCPU": 8}})
    less = {"total": 4, "resource_provider_generation": admin.generation(uuid)}
    admin("PUT", f"/resource_providers/{uuid}/inventories/VCPU", less, ok=200)
    admin.allocate({uuid: {"VCPU": 1}}, ok=409)
    admin.allocate({uuid: {"VCPU": 6}}, consumer, generation=1)
    admin.allocate({uuid: {"VCPU": 7}}, consumer, generation=2, ok=409)


def test_several_consumers_change_together_or_not_at_all(admin: Placement) -> None:
    one, two = admin.provider(VCPU=4), admin.provider(VCPU=4)
    leaving, coming = admin.allocate({one: {"VCPU": 4}}), str(uuid4())
    swapped: dict[str, Any] = {
        leaving: wanted({two: {"VCPU": 4}}, generation=1), coming: wanted({one: {"VCPU": 5}}),
    }  # fmt: skip
    admin("POST", "/allocations", swapped, ok=409)
    assert set(admin.get(f"/allocations/{leaving}")["allocations"]) == {one}
    swapped[coming] = wanted({one: {"VCPU": 4}})
    admin("POST", "/allocations", swapped, ok=204)
    assert set(admin.get(f"/allocations/{leaving}")["allocations"]) == {two}
    assert set(admin.get(f"/allocations/{coming}")["allocations"]) == {one}


@pytest.mark.parametrize(
    ("version", "wrong"),
    [
        ("1.39", {"consumer_type": "instance"}), ("1.39", {"consumer_type": None}), ("1.39", {"mappings": {}}),
        ("1.39", {"more": 1}), ("1.37", {}), ("1.27", {}), ("1.39", {"project_id": ""}), ("1.39", {"allocations": []}),
        ("1.39", {"allocations": {"x": {"resources": {"VCPU": 1}}}}),
        ("1.39", {"allocations": {str(uuid4()): {"resources": {}}}}),
        ("1.39", {"allocations": {str(uuid4()): {"resources": {"VCPU": 0}}}}),
        ("1.39", {"allocations": {str(uuid4()): {"resources": {"VCPU": 1}}}}),
    ],
)  # fmt: skip
def test_a_body_of_another_shape_or_version_is_refused(admin: Placement, version: str, wrong: dict[str, Any]) -> None:
    uuid = admin.provider(VCPU=1)
    admin.error("PUT", f"/allocations/{uuid4()}", {**wanted({uuid: {"VCPU": 1}}), **wrong}, ok=400, version=version)


def test_before_1_12_allocations_are_a_list_and_before_1_8_nobodys(admin: Placement) -> None:
    uuid, consumer = admin.provider(VCPU=4), str(uuid4())
    listed: dict[str, Any] = {"allocations": [{"resource_provider": {"uuid": uuid}, "resources": {"VCPU": 1}}]}
    admin("PUT", f"/allocations/{consumer}", listed, ok=204, version="1.0")
    assert admin.get(f"/allocations/{consumer}")["consumer_type"] == "unknown"
    admin("PUT", f"/allocations/{consumer}", listed, ok=400, version="1.8")
    named = {**listed, "project_id": "p", "user_id": "u"}
    admin("PUT", f"/allocations/{consumer}", named, ok=204, version="1.8")
    assert admin.get(f"/allocations/{consumer}")["project_id"] == "p"
    admin("PUT", f"/allocations/{consumer}", {**named, "allocations": []}, ok=400, version="1.8")
    admin("PUT", "/allocations/nobody", named, ok=400, version="1.8")


def test_usages_are_a_projects_own_business(running: RunningCloud, admin: Placement) -> None:
    person = running.persona("users", "reader")
    uuid = admin.provider(VCPU=8)
    for kind, number in (("INSTANCE", 1), ("MIGRATION", 2)):
        body = wanted({uuid: {"VCPU": number}}, project_id=person.project_id, consumer_type=kind)
        admin("PUT", f"/allocations/{uuid4()}", body, ok=204)
    mine = Placement(person)
    path = f"/usages?project_id={person.project_id}"
    assert mine.get(path, "1.9") == {"usages": {"VCPU": 3}}
    assert mine.get(path) == {
        "usages": {
            "INSTANCE": {"VCPU": 1, "consumer_count": 1}, "MIGRATION": {"VCPU": 2, "consumer_count": 1},
        }
    }  # fmt: skip
    assert mine.get(f"{path}&consumer_type=all") == {"usages": {"all": {"VCPU": 3, "consumer_count": 2}}}
    assert mine.get(f"{path}&consumer_type=INSTANCE&user_id=another") == {"usages": {}}
    mine.error("GET", "/usages?project_id=another", ok=403)
    mine.error("GET", "/usages", ok=400)
    mine.error("GET", f"{path}&consumer_type=all", ok=400, version="1.37")


def test_inventory_and_what_is_allocated_of_it_move_together(running: RunningCloud, admin: Placement) -> None:
    service = Placement(running.persona("services", "service"))
    top = admin.provider(VGPU=4, VCPU=4)
    part = admin.provider(parent=top)
    consumer = admin.allocate({top: {"VGPU": 2, "VCPU": 1}})

    def reshape(having: dict[str, dict[str, int]]) -> dict[str, Any]:
        return {
            "inventories": {
                top: {"inventories": {"VCPU": {"total": 4}}, "resource_provider_generation": admin.generation(top)},
                part: {"inventories": {"VGPU": {"total": 4}}, "resource_provider_generation": admin.generation(part)},
            },
            "allocations": {consumer: wanted(having, generation=1)},
        }

    admin("POST", "/reshaper", reshape({}), ok=403)
    service("POST", "/reshaper", reshape({top: {"VCPU": 1, "VGPU": 2}}), ok=409)
    service("POST", "/reshaper", reshape({top: {"VCPU": 1}, part: {"VGPU": 5}}), ok=409)
    assert admin.get(f"/resource_providers/{top}/usages")["usages"] == {"VGPU": 2, "VCPU": 1}
    late = reshape({top: {"VCPU": 1}, part: {"VGPU": 2}})
    service("POST", "/reshaper", late, ok=204)
    assert admin.get(f"/resource_providers/{part}/usages")["usages"] == {"VGPU": 2}
    assert service.error("POST", "/reshaper", late, ok=409)["code"] == "placement.concurrent_update"
    service("POST", "/reshaper", {"inventories": {}, "allocations": {}}, ok=400)
