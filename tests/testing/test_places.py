"""What can be scripted besides operations: what a status waits for, drivers' calls, requests; in every room."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from stackyard.kernel.errors import Conflict
from stackyard.rooms.network.driver import HostFailure
from stackyard.testing.cloud import Persona, RunningCloud
from stackyard.testing.places import place
from stackyard.testing.transitions import Transitions

NETWORK = "/networking/v2.0"
CONTAINER = "/container/v1/containers"


@pytest.fixture(scope="module")
def demo(running: RunningCloud) -> Persona:
    return running.demo


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "not so after 30 s"
        time.sleep(0.005)


def in_background(function: Callable[..., Any], *arguments: Any, **named: Any) -> "Future[Any]":
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(function, *arguments, **named)
    pool.shutdown(wait=False)
    return asked


def container(demo: Persona, **wanted: Any) -> str:
    return str(demo.post(f"{CONTAINER}?run=true", {"image": "web", **wanted}, ok=202)["uuid"])


def port_of(demo: Persona, uuid: str) -> dict[str, Any]:
    [found] = demo.get(f"{NETWORK}/ports?device_id={uuid}")["ports"]
    return dict(found)


def net(demo: Persona, cidr: str) -> dict[str, Any]:
    """A subnet on a network of its own."""
    network = demo.post(f"{NETWORK}/networks", {"network": {"name": cidr}})["network"]
    asked = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": cidr}}
    return dict(demo.post(f"{NETWORK}/subnets", asked)["subnet"])


def router(demo: Persona, subnet: dict[str, Any] | None = None, **wanted: Any) -> str:
    made = str(demo.post(f"{NETWORK}/routers", {"router": wanted})["router"]["id"])
    if subnet:
        demo("PUT", f"{NETWORK}/routers/{made}/add_router_interface", {"subnet_id": subnet["id"]}, ok=200)
    return made


# --------------------------------------------------------------------------------------------- what a status waits for


def test_a_port_goes_active_only_when_the_test_says_so(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    ports = script.hold("port", "activate")
    uuid = container(demo)
    assert ports.wait() == "plug"
    assert port_of(demo, uuid)["status"] == "DOWN"
    assert demo.get(f"{CONTAINER}/{uuid}")["status"] == "Creating"
    assert ports.release() == "plug"
    running.settle()
    assert port_of(demo, uuid)["status"] == "ACTIVE"
    assert demo.get(f"{CONTAINER}/{uuid}")["status"] == "Running"


def test_a_port_goes_active_after_it_was_shown_so_often(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    script.delay("port", "activate", polls=2)
    uuid = container(demo)
    script.wait()
    port_id = port_of(demo, uuid)["id"]
    shown = [demo.get(f"{NETWORK}/ports/{port_id}")["port"]["status"] for _ in range(2)]
    assert shown == ["DOWN", "DOWN"]
    running.settle()
    assert port_of(demo, uuid)["status"] == "ACTIVE"


def test_a_port_that_cannot_be_plugged_in_tells_its_container_why(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    script.fail("port", "activate", "The switch is on fire.", times=1)
    uuid = container(demo)
    running.settle()
    shown = demo.get(f"{CONTAINER}/{uuid}")
    assert (shown["status"], shown["status_reason"]) == ("Error", "The switch is on fire.")
    assert demo.get(f"{CONTAINER}/{container_that_runs(running, demo)}")["status"] == "Running"


def container_that_runs(running: RunningCloud, demo: Persona) -> str:
    uuid = container(demo)
    running.settle()
    return uuid


def test_a_router_and_its_ports_wait_for_the_test(running: RunningCloud, demo: Persona, script: Transitions) -> None:
    made = router(demo, net(demo, "10.71.0.0/24"))
    uuid = container(demo, nets=[{"network": "10.71.0.0/24"}])
    running.settle()
    routers = script.hold("router", "activate")
    other = net(demo, "10.72.0.0/24")
    demo("PUT", f"{NETWORK}/routers/{made}/add_router_interface", {"subnet_id": other["id"]}, ok=200)
    assert routers.wait() == "ensure_router"

    def statuses() -> set[str]:
        return {each["status"] for each in demo.get(f"{NETWORK}/ports?device_id={made}")["ports"]}

    assert statuses() == {"ACTIVE", "DOWN"}
    routers.let_go()
    until(lambda: statuses() == {"ACTIVE"})
    assert port_of(demo, uuid)["status"] == "ACTIVE"


def test_a_router_that_no_host_can_make_is_in_error_until_one_can(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    script.fail("router", "activate", "The switch is on fire.")
    made = router(demo, net(demo, "10.73.0.0/24"))
    until(lambda: demo.get(f"{NETWORK}/routers/{made}")["router"]["status"] == "ERROR")
    script.instant("router", "activate")
    running.follow()
    assert demo.get(f"{NETWORK}/routers/{made}")["router"]["status"] == "ACTIVE"


def test_a_floating_ip_goes_active_only_when_the_test_says_so(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    [public] = demo.get(f"{NETWORK}/networks?name=public")["networks"]
    router(demo, net(demo, "10.74.0.0/24"), external_gateway_info={"network_id": public["id"]})
    uuid = container(demo, nets=[{"network": "10.74.0.0/24"}])
    running.settle()
    running.follow()
    addresses = script.hold("floating_ip", "activate")
    asked = {"floatingip": {"floating_network_id": public["id"], "port_id": port_of(demo, uuid)["id"]}}
    made = demo.post(f"{NETWORK}/floatingips", asked)["floatingip"]["id"]
    addresses.wait()
    assert demo.get(f"{NETWORK}/floatingips/{made}")["floatingip"]["status"] == "DOWN"
    addresses.let_go()
    until(lambda: demo.get(f"{NETWORK}/floatingips/{made}")["floatingip"]["status"] == "ACTIVE")


def test_a_delete_overtakes_a_container_whose_port_is_held(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    ports = script.hold("port", "activate")
    uuid = container(demo)
    ports.wait()
    began = time.monotonic()
    running.admin("DELETE", f"{CONTAINER}/{uuid}?force=true", ok=204, OpenStack_API_Version="container 1.40")
    running.settle()
    demo("GET", f"{CONTAINER}/{uuid}", ok=404)
    assert time.monotonic() - began < 8, "it was told at once, not given up on"


# ------------------------------------------------------------------------------------------------------ drivers' calls


def test_a_drivers_call_that_fails_for_a_while_is_tried_again(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    script.fail("network driver", "plug", HostFailure("no memory", "bridge"), times=2)
    uuid = container(demo)
    running.settle()
    assert demo.get(f"{CONTAINER}/{uuid}")["status"] == "Running"
    assert running.worlds.network.calls.count("plug") >= 1


def test_a_drivers_call_whose_answer_is_lost_has_had_its_effect(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    script.fail("container driver", "start", "The answer was lost.", times=1, after=True)
    uuid = container(demo)
    running.settle()
    assert demo.get(f"{CONTAINER}/{uuid}")["status"] == "Error"
    started = container_that_runs(running, demo)
    assert uuid not in running.worlds.container.containers, "what was done is undone"
    assert started in running.worlds.container.containers


def test_a_driver_that_is_slow_is_waited_for(running: RunningCloud, demo: Persona, script: Transitions) -> None:
    uuid = container_that_runs(running, demo)
    script.delay("container driver", "logs", seconds=0.3, times=1)
    began = time.monotonic()
    demo("GET", f"{CONTAINER}/{uuid}/logs", ok=200)
    assert time.monotonic() - began >= 0.3


# ------------------------------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("path", "body", "collection"),
    [
        ("networks", {"network": {"name": "refused"}}, "network"),
        ("routers", {"router": {"name": "refused"}}, "router"),
        ("security-groups", {"security_group": {"name": "refused"}}, "security_group"),
    ],
)
def test_the_next_create_fails_and_the_one_after_it_does_not(
    demo: Persona, script: Transitions, path: str, body: Any, collection: str
) -> None:
    script.fail(collection, "create", Conflict("There is none left."), times=1)
    refused = demo("POST", f"{NETWORK}/{path}", body, ok=409)
    assert refused.json()["NeutronError"]["message"] == "There is none left."
    assert [each["name"] for each in demo.get(f"{NETWORK}/{path}")[f"{collection}s"]].count("refused") == 0
    demo.post(f"{NETWORK}/{path}", body)


def test_a_service_that_is_down_answers_503_in_its_own_words(demo: Persona, script: Transitions) -> None:
    script.fail("image.image", "list", "The images are away.")
    answer = demo("GET", "/image/v2/images", ok=503)
    assert answer.json()["message"] == "The images are away."
    script.instant("image.image", "list")
    demo("GET", "/image/v2/images", ok=200)


def test_a_request_waits_until_the_test_releases_it_and_others_do_not(demo: Persona, script: Transitions) -> None:
    lists = script.hold("subnet", "list", times=1)
    asked = in_background(demo, "GET", f"{NETWORK}/subnets", ok=200)
    assert lists.wait() == f"GET {NETWORK}/subnets"
    demo("GET", f"{NETWORK}/subnets", ok=200)
    assert not asked.done()
    lists.release()
    assert isinstance(asked.result(30), httpx.Response)


def test_requests_that_are_held_keep_no_others_waiting(demo: Persona, script: Transitions) -> None:
    lists = script.hold("subnet", "list")
    held = [in_background(demo, "GET", f"{NETWORK}/subnets", ok=200) for _ in range(40)]
    script.wait(40)
    for path in (f"{NETWORK}/networks", "/image/v2/images", CONTAINER):
        demo("GET", path, ok=200)
    assert not any(each.done() for each in held)
    lists.let_go()
    assert [each.result(30).status_code for each in held] == [200] * 40


def test_a_request_is_named_by_its_path_where_it_is_no_verb(demo: Persona, script: Transitions) -> None:
    script.fail("/image/v2/images/{id}/file", "PUT", "The disk is away.", times=1)
    image = demo.post("/image/v2/images", {"disk_format": "raw", "container_format": "bare"})
    path, octets = f"/image/v2/images/{image['id']}/file", {"Content-Type": "application/octet-stream"}
    assert demo.http.put(path, content=b"data", headers=octets).status_code == 503
    assert demo.get(f"/image/v2/images/{image['id']}")["status"] == "queued"
    assert demo.http.put(path, content=b"data", headers=octets).status_code == 204


def test_log_in_can_fail_too(running: RunningCloud, script: Transitions) -> None:
    script.fail("/identity/v3/auth/tokens", "POST", "The keys are away.", times=1)
    with pytest.raises(AssertionError, match="The keys are away"):
        _ = running.demo
    assert running.demo.token


# -------------------------------------------------------------------------------------------------------------- images


def test_an_import_goes_on_and_fails_when_the_test_says_so(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    def staged() -> str:
        image = str(demo.post("/image/v2/images", {"disk_format": "raw", "container_format": "bare"})["id"])
        octets = {"Content-Type": "application/octet-stream"}
        assert demo.http.put(f"/image/v2/images/{image}/stage", content=b"data", headers=octets).status_code == 204
        demo("POST", f"/image/v2/images/{image}/import", {"method": {"name": "glance-direct"}}, ok=202)
        return image

    def shown(image: str) -> dict[str, Any]:
        return dict(demo.get(f"/image/v2/images/{image}"))

    importing = script.hold("image", "import")
    image = staged()
    assert importing.release() == "take in the data"
    assert importing.wait() == "is active"
    assert shown(image)["status"] == "importing"
    importing.let_go()
    running.settle()
    assert shown(image)["status"] == "active"
    script.fail("image", "import", "The disk is away.", times=1)
    image = staged()
    running.settle()
    assert shown(image)["status"] == "queued"
    assert shown(image)["os_glance_failed_import_reason"] == "The disk is away."


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "action", "said"),
    [
        ("network", "freeze", r"no 'network' has an action 'freeze'; there are: .*network create"),
        ("image", "delete", r"there are image\.image and container\.image: say which"),
        ("network driver", "freeze", r"no network driver has a method 'freeze'; there are: .*ensure_network"),
        ("weather driver", "rain", r"no weather driver .*drivers of image, network, container"),
        ("/networking/v2.0/rain", "GET", r"there is no GET /networking/v2.0/rain"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(name: str, action: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        place(name, action)


@pytest.mark.parametrize(
    ("name", "action", "what", "said"),
    [
        ("network", "create", {"polls": 2}, "no object is shown"),
        ("floating_ip", "activate", {"polls": 2}, "no object is shown"),
    ],
)
def test_what_cannot_wait_for_polls_says_so(
    script: Transitions, name: str, action: str, what: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        script.delay(name, action, **what)


def test_only_a_drivers_call_can_fail_after_it_has_done_all(script: Transitions) -> None:
    with pytest.raises(ValueError, match="only a driver's call"):
        script.fail("network", "create", "No.", after=True)


def test_every_operation_of_every_room_can_be_scripted() -> None:
    from stackyard.assemble import rooms

    for room in rooms():
        for resource in room.resources:
            for action in resource.operations:
                assert place(f"{room.name}.{resource.name}", action)
