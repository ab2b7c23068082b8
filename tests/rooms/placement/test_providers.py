"""Providers, what they have and are, and the trees they stand in."""

from uuid import uuid4

import pytest

from stackyard.testing.cloud import RunningCloud
from tests.rooms.placement.conftest import Placement


def test_the_service_says_which_versions_it_speaks(running: RunningCloud, admin: Placement) -> None:
    [version] = admin.person.get("/placement")["versions"]
    assert (version["id"], version["min_version"], version["max_version"]) == ("v1.0", "1.0", "1.39")
    answer = admin("GET", "/resource_classes", ok=200, version="1.2")
    assert answer.headers["OpenStack-API-Version"] == "placement 1.2"
    error = admin.error("GET", "/resource_classes", ok=406, version="1.40")
    assert (error["min_version"], error["max_version"]) == ("1.0", "1.39")
    assert running.demo("GET", "/placement/resource_providers", ok=403).json()["errors"][0]["title"] == "Forbidden"


def test_an_error_names_its_request_and_since_1_23_its_code(admin: Placement) -> None:
    missing = f"/resource_providers/{uuid4()}"
    answer = admin("GET", missing, ok=404, version="1.22")
    [error] = answer.json()["errors"]
    assert "code" not in error
    assert error["request_id"] == answer.headers["x-openstack-request-id"]
    assert admin.error("GET", missing, ok=404)["code"] == "placement.undefined_code"


def test_a_provider_is_made_shown_renamed_and_deleted(admin: Placement) -> None:
    made = admin("POST", "/resource_providers", {"name": "mine"}, ok=200)
    uuid, url = made.json()["uuid"], made.headers["Location"]
    assert url.endswith(f"/placement/resource_providers/{uuid}")
    assert made.json()["root_provider_uuid"] == uuid
    old = admin("POST", "/resource_providers", {"name": "mine-too", "uuid": str(uuid4())}, ok=201, version="1.19")
    assert not old.content
    assert admin.error("POST", "/resource_providers", {"name": "mine"}, ok=409)["code"] == "placement.duplicate_name"
    shown = admin("GET", f"/resource_providers/{uuid}", version="1.13", ok=200).json()
    assert set(shown) == {"uuid", "name", "generation", "links"}
    assert {each["rel"] for each in shown["links"]} == {
        "self", "inventories", "usages", "aggregates", "traits", "allocations",
    }  # fmt: skip
    admin("PUT", f"/resource_providers/{uuid}", {"name": "theirs"}, ok=200)
    error = admin.error("PUT", f"/resource_providers/{uuid}", {"parent_provider_uuid": None}, ok=400)
    assert "name" in error["detail"]
    admin("PUT", f"/resource_providers/{uuid}", {"name": "mine-too"}, ok=409)
    admin("DELETE", f"/resource_providers/{uuid}", ok=204)
    admin("GET", f"/resource_providers/{uuid}", ok=404)


def test_answers_say_when_what_they_show_has_changed_since_1_15(admin: Placement) -> None:
    uuid = admin.provider()
    new = admin("GET", f"/resource_providers/{uuid}", ok=200, version="1.15").headers
    assert new["Cache-Control"] == "no-cache"
    assert new["Last-Modified"].endswith(" GMT")
    assert "Last-Modified" not in admin("GET", f"/resource_providers/{uuid}", ok=200, version="1.14").headers


def test_a_tree_keeps_its_root_and_has_no_circles(admin: Placement) -> None:
    top, other = admin.provider(), admin.provider()
    middle = admin.provider(parent=top)
    leaf = admin.provider(parent=middle)
    assert admin.get(f"/resource_providers/{leaf}")["root_provider_uuid"] == top
    error = admin.error("DELETE", f"/resource_providers/{top}", ok=409)
    assert error["code"] == "placement.resource_provider.cannot_delete_parent"
    moved = {"name": "moved", "parent_provider_uuid": leaf}
    admin("PUT", f"/resource_providers/{middle}", moved, ok=400)
    moved["parent_provider_uuid"] = other
    admin("PUT", f"/resource_providers/{middle}", moved, ok=400, version="1.36")
    admin("PUT", f"/resource_providers/{middle}", moved, ok=200)
    found = admin.get(f"/resource_providers?in_tree={leaf}")["resource_providers"]
    assert {each["uuid"] for each in found} == {other, middle, leaf}
    moved["parent_provider_uuid"] = str(uuid4())
    admin("PUT", f"/resource_providers/{middle}", moved, ok=400)


def test_lists_find_providers_by_what_they_are_and_have(admin: Placement) -> None:
    large, small = admin.provider(CUSTOM_ROOM=10), admin.provider(CUSTOM_ROOM=2)
    aggregate = str(uuid4())
    admin.set_aggregates(large, aggregate)
    admin.set_traits(small, "HW_CPU_X86_AVX", "CUSTOM_OLD")

    def found(query: str, version: str = "1.39") -> set[str]:
        listed = admin.get(f"/resource_providers?{query}", version)["resource_providers"]
        return {each["uuid"] for each in listed} & {large, small}

    assert found(f"uuid={large}", "1.0") == {large}
    assert found("resources=CUSTOM_ROOM:3") == {large}
    assert found("resources=CUSTOM_ROOM:1") == {large, small}
    assert found(f"member_of={aggregate}") == {large}
    assert found(f"member_of=in:{uuid4()},{aggregate}") == {large}
    assert found(f"resources=CUSTOM_ROOM:1&member_of=!{aggregate}") == {small}
    assert found("required=CUSTOM_OLD,HW_CPU_X86_AVX") == {small}
    assert found("resources=CUSTOM_ROOM:1&required=!CUSTOM_OLD") == {large}
    assert found("required=in:CUSTOM_OLD,HW_CPU_X86_SSE&required=HW_CPU_X86_AVX") == {small}


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("wrong=1", "1.39"), ("uuid=x", "1.39"), ("member_of=x", "1.39"), ("resources=VCPU", "1.39"),
        ("resources=VCPU:0", "1.39"), ("resources=NONE_SUCH:1", "1.39"), ("required=NONE_SUCH", "1.39"),
        ("required=", "1.39"), ("required=in:CUSTOM_X,!CUSTOM_Y", "1.39"), ("required=in:HW_CPU_X86_AVX", "1.38"),
        ("required=!HW_CPU_X86_AVX", "1.21"), ("required=HW_CPU_X86_AVX", "1.17"), ("resources=VCPU:1", "1.3"),
        ("member_of=00000000-0000-4000-8000-000000000001&member_of=00000000-0000-4000-8000-000000000002", "1.23"),
        ("member_of=!00000000-0000-4000-8000-000000000001", "1.31"),
        ("required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX", "1.39"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused(admin: Placement, query: str, version: str) -> None:
    admin.error("GET", f"/resource_providers?{query}", ok=400, version=version)


def test_inventories_are_replaced_by_who_has_read_them_last(admin: Placement) -> None:
    uuid = admin.provider()
    path = f"/resource_providers/{uuid}/inventories"
    body = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4, "allocation_ratio": 16.0}}}
    done = admin("PUT", path, body, ok=200).json()
    assert done["resource_provider_generation"] == 1
    assert done["inventories"]["VCPU"] == {
        "total": 4, "reserved": 0, "min_unit": 1, "max_unit": 2**31 - 1, "step_size": 1, "allocation_ratio": 16.0,
    }  # fmt: skip
    assert admin.error("PUT", path, body, ok=409)["code"] == "placement.concurrent_update"
    one = {"total": 8, "resource_provider_generation": 1}
    assert admin("PUT", f"{path}/VCPU", one, ok=200).json()["allocation_ratio"] == 1.0
    admin("PUT", f"{path}/MEMORY_MB", {**one, "resource_provider_generation": 2}, ok=400)
    admin("POST", path, {"resource_class": "VCPU", "total": 1}, ok=409)
    admin("POST", path, {"resource_class": "NONE_SUCH", "total": 1}, ok=400)
    admin("DELETE", f"{path}/VCPU", ok=204)
    admin("DELETE", f"{path}/VCPU", ok=404)
    admin("GET", f"{path}/VCPU", ok=404)
    assert admin.get(path) == {"inventories": {}, "resource_provider_generation": 3}


def test_all_of_an_inventory_may_be_reserved_since_1_26(admin: Placement) -> None:
    path = f"/resource_providers/{admin.provider()}/inventories"
    body = {"resource_class": "VCPU", "total": 4, "reserved": 4}
    admin("POST", path, body, ok=400, version="1.25")
    admin("POST", path, {**body, "reserved": 5}, ok=400)
    admin("POST", path, body, ok=201, version="1.26")


def test_what_is_used_cannot_be_taken_away(admin: Placement) -> None:
    uuid = admin.provider(VCPU=4, DISK_GB=10)
    consumer = admin.allocate({uuid: {"VCPU": 3}})
    path = f"/resource_providers/{uuid}/inventories"
    assert admin.error("DELETE", path, ok=409)["code"] == "placement.inventory.inuse"
    assert "3 VCPU" in admin.error("DELETE", f"{path}/VCPU", ok=409)["detail"]
    assert admin.error("DELETE", f"/resource_providers/{uuid}", ok=409)["code"] == (
        "placement.resource_provider.inuse"
    )
    assert admin.get(f"/resource_providers/{uuid}/usages")["usages"] == {"VCPU": 3, "DISK_GB": 0}
    admin("DELETE", f"/allocations/{consumer}", ok=204)
    admin("DELETE", path, ok=204)
    admin("DELETE", f"/resource_providers/{uuid}", ok=204)


def test_aggregates_come_with_the_generation_since_1_19(admin: Placement) -> None:
    uuid, one, two = admin.provider(), str(uuid4()), str(uuid4())
    path = f"/resource_providers/{uuid}/aggregates"
    assert admin("PUT", path, [one, two], ok=200, version="1.18").json() == {"aggregates": [one, two]}
    assert admin.generation(uuid) == 0
    body = {"aggregates": [one], "resource_provider_generation": 0}
    assert admin("PUT", path, body, ok=200).json() == {"aggregates": [one], "resource_provider_generation": 1}
    admin("PUT", path, body, ok=409)
    for wrong in ([one], {"aggregates": ["x"], "resource_provider_generation": 1}, {"aggregates": [one]}):
        admin("PUT", path, wrong, ok=400)
    admin("PUT", path, [one, one], ok=400, version="1.18")


def test_traits_are_standard_or_the_clouds_own(admin: Placement) -> None:
    admin("PUT", "/traits/CUSTOM_GOLD", ok=201)
    admin("PUT", "/traits/CUSTOM_GOLD", ok=204)
    admin("GET", "/traits/CUSTOM_GOLD", ok=204)
    for wrong in ("GOLD", "CUSTOM_gold", "HW_CPU_X86_AVX"):
        admin("PUT", f"/traits/{wrong}", ok=400)
    admin("DELETE", "/traits/HW_CPU_X86_AVX", ok=400)
    admin("GET", "/traits/NONE_SUCH", ok=404)
    uuid = admin.provider()
    admin.set_traits(uuid, "CUSTOM_GOLD", "HW_CPU_X86_AVX")
    assert set(admin.get(f"/resource_providers/{uuid}/traits")["traits"]) == {"CUSTOM_GOLD", "HW_CPU_X86_AVX"}
    assert "CUSTOM_GOLD" in admin.get("/traits?associated=true")["traits"]
    assert admin.get("/traits?name=in:CUSTOM_GOLD,NONE_SUCH")["traits"] == ["CUSTOM_GOLD"]
    assert "HW_CPU_X86_AVX2" in admin.get("/traits?name=startswith:HW_CPU_X86&associated=false")["traits"]
    admin("DELETE", "/traits/CUSTOM_GOLD", ok=409)
    body = {"traits": ["NONE_SUCH"], "resource_provider_generation": admin.generation(uuid)}
    assert "NONE_SUCH" in admin.error("PUT", f"/resource_providers/{uuid}/traits", body, ok=400)["detail"]
    admin("DELETE", f"/resource_providers/{uuid}/traits", ok=204)
    admin("DELETE", "/traits/CUSTOM_GOLD", ok=204)
    admin("GET", "/traits", ok=404, version="1.5")
    admin("GET", "/traits?name=GOLD", ok=400)


def test_resource_classes_are_standard_or_the_clouds_own(admin: Placement) -> None:
    made = admin("POST", "/resource_classes", {"name": "CUSTOM_FPGA"}, ok=201)
    assert made.headers["Location"].endswith("/placement/resource_classes/CUSTOM_FPGA")
    admin("POST", "/resource_classes", {"name": "CUSTOM_FPGA"}, ok=409)
    admin("POST", "/resource_classes", {"name": "FPGA"}, ok=400)
    names = [each["name"] for each in admin.get("/resource_classes")["resource_classes"]]
    assert names[:3] == ["VCPU", "MEMORY_MB", "DISK_GB"]
    assert "CUSTOM_FPGA" in names
    admin("PUT", "/resource_classes/CUSTOM_FPGA", ok=204)
    uuid = admin.provider(CUSTOM_FPGA=1)
    admin.allocate({uuid: {"CUSTOM_FPGA": 1}})
    admin("DELETE", "/resource_classes/CUSTOM_FPGA", ok=409)
    renamed = admin("PUT", "/resource_classes/CUSTOM_FPGA", {"name": "CUSTOM_FPGA_2"}, ok=200, version="1.6").json()
    assert renamed["name"] == "CUSTOM_FPGA_2"
    assert admin.get(f"/resource_providers/{uuid}/usages")["usages"] == {"CUSTOM_FPGA_2": 1}
    for standard in ("PUT", "DELETE"):
        admin(standard, "/resource_classes/VCPU", ok=400)
    admin("PUT", "/resource_classes/CUSTOM_EMPTY", ok=201)
    admin("DELETE", "/resource_classes/CUSTOM_EMPTY", ok=204)
    admin("GET", "/resource_classes/CUSTOM_EMPTY", ok=404)
