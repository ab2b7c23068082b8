"""What a container can be asked to be, and what is refused without leaving anything behind."""

from typing import Any

import pytest

from stackyard.hosts import container_image
from stackyard.rooms.container.drivers.fake.driver import FakeDriver
from tests.rooms.container.zun import Zun, soon


def test_everything_that_is_asked_for_reaches_the_engine(demo: Zun) -> None:
    uuid = demo.run(
        name="full", image="web", command=["sleep", "forever"], entrypoint=["/init"], environment={"A": "1", "B": ""},
        workdir="/srv", labels={"tier": "front"}, hostname="front-1", cpu=1.5, memory="256", interactive=True, tty=True,
        restart_policy={"Name": "on-failure", "MaximumRetryCount": "3"}, image_driver="docker",
        healthcheck={"cmd": "true", "interval": 5, "retries": 2},
    )  # fmt: skip
    spec = demo.engine(uuid).spec
    assert (spec.command, spec.entrypoint) == (["sleep", "forever"], ["/init"])
    assert (spec.environment, spec.workdir, spec.labels) == ({"A": "1", "B": ""}, "/srv", {"tier": "front"})
    assert (spec.cpu, spec.memory, spec.interactive, spec.tty) == (1.5, 256, True, True)
    assert (spec.restart_policy, spec.restart_retries) == ("on-failure", 3)
    assert (spec.healthcheck.command, spec.healthcheck.interval, spec.healthcheck.retries) == ("true", 5, 2)
    shown = demo.show("full")
    assert (shown["uuid"], shown["hostname"], shown["memory"], shown["cpu"]) == (uuid, "front-1", "256", 1.5)
    assert shown["restart_policy"] == {"Name": "on-failure", "MaximumRetryCount": "3"}


def test_little_is_needed_and_the_rest_is_zuns_defaults(demo: Zun) -> None:
    shown = demo.show(demo.create()["uuid"])
    assert shown["name"].endswith("-container")
    expected: dict[str, Any] = {
        "cpu": 0.0, "memory": "512", "command": None, "environment": {}, "labels": {}, "workdir": None, "ports": [],
        "restart_policy": None, "interactive": False, "tty": False, "auto_remove": False, "image_driver": "docker",
        "hostname": None, "status_reason": None, "auto_heal": False,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected
    links = {each["rel"]: each["href"] for each in shown["links"]}
    assert links["self"].endswith(f"/container/v1/containers/{shown['uuid']}")
    assert links["bookmark"].endswith(f"/container/containers/{shown['uuid']}")


# -- images --


def test_a_bare_name_means_the_registry_when_glance_does_not_know_it(demo: Zun) -> None:
    shown = demo.show(demo.run(image="db"))
    assert (shown["image"], shown["image_driver"], shown["status"]) == ("db", "docker", "Running")


def test_an_image_missing_in_glance_is_refused_when_glance_is_asked_for(demo: Zun) -> None:
    assert "not found in Glance" in demo.refused(400, image="nothing", image_driver="glance")


def _in_glance(zun: Zun, name: str, data: bytes, container_format: str = "docker") -> str:
    wanted = {"name": name, "container_format": container_format, "disk_format": "raw"}
    image = str(zun.person.post("/image/v2/images", wanted)["id"])
    headers = {"Content-Type": "application/octet-stream"}
    answer = zun.person.http.put(f"/image/v2/images/{image}/file", content=data, headers=headers)
    assert answer.status_code == 204, answer.text
    return image


def test_an_image_in_glance_is_loaded_into_the_engine_under_a_name_nobody_else_can_use(demo: Zun) -> None:
    archive = b"".join(container_image.saved("mine:1", b"a program", {"Cmd": ["/mine"]}))
    image = _in_glance(demo, "mine", archive)
    for asked in ({"image": "mine"}, {"image": image, "image_driver": "glance"}):
        uuid = demo.run(**asked)
        assert (demo.show(uuid)["image_driver"], demo.show(uuid)["status"]) == ("glance", "Running")
        assert demo.engine(uuid).spec.image.startswith(f"stackyard-glance-{demo.cloud.settings.cloud_id}-{image}:")


def test_the_engines_copy_goes_when_neither_glance_nor_a_container_has_the_image(demo: Zun) -> None:
    image = _in_glance(demo, "old", b"".join(container_image.saved("old:1", b"a program", {"Cmd": ["/old"]})))
    uuid = demo.run(image="old")
    name = demo.engine(uuid).spec.image

    def repaired() -> list[str]:
        return [each for each in demo.cloud.cloud.reconcilers.run_once("image-copies").repaired if image in each]

    def is_there() -> bool:
        return any(name in found.names for found, _ in demo.world.images.values())

    assert repaired() == []
    demo.person("DELETE", f"/image/v2/images/{image}", ok=204)
    assert repaired() == []
    kept = demo.world.containers.pop(uuid)
    assert repaired() == [], "the container will have to be made anew from it"
    demo.world.containers[uuid] = kept
    demo.delete(uuid)
    assert is_there()
    [said] = repaired()
    assert name in said
    assert not is_there()
    assert repaired() == []


def test_a_copy_that_glance_has_or_that_is_another_clouds_stays(demo: Zun) -> None:
    archive = b"".join(container_image.saved("kept:1", b"a program", {"Cmd": ["/kept"]}))
    _in_glance(demo, "kept", archive)
    uuid = demo.run(image="kept")
    name = demo.engine(uuid).spec.image
    theirs = f"stackyard-glance-other-{uuid}:123456789abc"
    FakeDriver(demo.world).load_image(theirs, iter([archive]))
    demo.delete(uuid)
    demo.cloud.cloud.reconcilers.run_once("image-copies")
    assert {name, theirs} <= {each for found, _ in demo.world.images.values() for each in found.names}


def test_data_that_is_no_container_image_is_told_of(demo: Zun) -> None:
    _in_glance(demo, "junk", b"not an archive at all")
    shown = demo.show(demo.run(image="junk"))
    assert shown["status"] == "Error"
    assert shown["status_reason"]
    _in_glance(demo, "disk", b"a disk", "bare")
    assert "needs 'docker'" in demo.refused(400, image="disk")


def test_an_image_of_another_project_is_not_found(demo: Zun, admin: Zun) -> None:
    image = _in_glance(admin, "secret", b"".join(container_image.saved("s:1", b"x", {})))
    demo.refused(400, image=image, image_driver="glance")
    demo.refused(400, image="secret", image_driver="glance")


def test_a_registry_that_fails_is_told_in_the_engines_words(demo: Zun) -> None:
    for image, word in (("broken", "the registry wants a login"), ("nowhere", "manifest unknown")):
        shown = demo.show(demo.run(image=image))
        assert shown["status"] == "Error"
        assert word in shown["status_reason"]


def test_the_pull_policy_is_the_administrators_and_is_followed(demo: Zun, admin: Zun) -> None:
    demo.refused(403, image_pull_policy="always")
    network = admin.network()
    never = admin.show(admin.run(image="db-not-here", image_pull_policy="never", nets=[{"network": network}]))
    assert (never["status"], never["image_pull_policy"]) == ("Error", "never")
    assert "No such image" in never["status_reason"]
    always = admin.show(admin.run(image="db", image_pull_policy="Always", nets=[{"network": network}]))
    assert (always["status"], always["image_pull_policy"]) == ("Running", "always")


@pytest.mark.parametrize("image", ["stackyard-glance-1:2", "0123456789abcdef", "sha256:0123456789abcdef"])
def test_nobody_reaches_another_projects_image_by_its_name_in_the_engine(demo: Zun, image: str) -> None:
    demo.refused(400, image=image)


# -- networks --


def test_networks_ports_and_addresses_by_choice(demo: Zun) -> None:
    network = demo.network("10.20.0.0/24")
    port = demo.net("POST", "/ports", {"port": {"network_id": network}}, 201)["port"]
    uuid = demo.run(
        nets=[{"network": network, "v4-fixed-ip": "10.20.0.77"}, {"port": port["id"]}, {"network": network}]
    )
    addresses = demo.show(uuid)["addresses"][network]
    assert addresses[0]["addr"] == "10.20.0.77"
    assert addresses[1]["port"] == port["id"]
    assert [each["preserve_on_delete"] for each in addresses] == [False, True, False]
    listed = demo.do(uuid, "network_list", 200)["networks"]
    assert [each["net_id"] for each in listed] == [network] * 3
    assert listed[0]["fixed_ips"][0]["ip_address"] == "10.20.0.77"
    demo.delete(uuid)
    left = demo.net("GET", f"/ports?network_id={network}&device_owner=", ok=200)["ports"]
    assert [(each["id"], each["device_id"]) for each in left] == [(port["id"], "")], (
        "the port it was given is free again"
    )
    demo.net("DELETE", f"/ports/{port['id']}", ok=204)


def test_two_families_on_one_network(demo: Zun) -> None:
    network = demo.network("10.21.0.0/24")
    subnet = {"network_id": network, "cidr": "2001:db8:21::/64", "ip_version": 6}
    demo.net("POST", "/subnets", {"subnet": subnet}, 201)
    uuid = demo.run(nets=[{"network": network, "v6-fixed-ip": "2001:db8:21::77"}])
    versions = {each["version"]: each["addr"] for each in demo.show(uuid)["addresses"][network]}
    assert versions[6] == "2001:db8:21::77"


def test_networks_come_and_go_while_it_runs(demo: Zun) -> None:
    uuid, network = demo.run(), demo.network("10.22.0.0/24")
    demo.do(uuid, f"network_attach?network={network}&fixed_ip=10.22.0.9")
    assert [each["addr"] for each in demo.show(uuid)["addresses"][network]] == ["10.22.0.9"]
    assert {each["status"] for each in demo.ports(uuid)} == {"ACTIVE"}
    demo.do(uuid, f"network_detach?network={network}")
    assert network not in demo.show(uuid)["addresses"]
    assert len(demo.ports(uuid)) == 1
    demo.do(uuid, f"network_detach?network={network}", 400)
    demo.do(uuid, "network_attach", 400)
    demo.do(uuid, f"network_attach?network={network}&port=x", 400)
    demo.do(uuid, "network_attach?network=nowhere", 400)


def test_security_groups_by_name_and_id(demo: Zun) -> None:
    made = [
        demo.net("POST", "/security-groups", {"security_group": {"name": name}}, 201)["security_group"]["id"]
        for name in ("one", "two")
    ]
    uuid = demo.run(security_groups=["one", made[1], "one"])
    assert sorted(demo.show(uuid)["security_groups"]) == sorted(made)
    assert sorted(demo.ports(uuid)[0]["security_groups"]) == sorted(made)
    demo.delete(uuid)
    for each in made:
        demo.net("DELETE", f"/security-groups/{each}", ok=204)


def test_exposed_ports_are_opened_by_a_group_that_goes_with_the_container(demo: Zun) -> None:
    uuid = demo.run(exposed_ports={"80/tcp": {}, "53/udp": {}, "443": {}})
    shown = demo.show(uuid)
    assert shown["ports"] == [53, 80, 443]
    [group] = demo.net("GET", f"/security-groups?name=zun-{uuid}", ok=200)["security_groups"]
    assert shown["security_groups"] == [group["id"]]
    assert demo.ports(uuid)[0]["security_groups"] == [group["id"]]
    opened = {
        (each["protocol"], each["port_range_min"], each["ethertype"])
        for each in group["security_group_rules"]
        if each["direction"] == "ingress"
    }
    assert opened == {
        (*port, family) for port in (("tcp", 80), ("tcp", 443), ("udp", 53)) for family in ("IPv4", "IPv6")
    }
    demo.delete(uuid)
    assert demo.net("GET", f"/security-groups?name=zun-{uuid}", ok=200)["security_groups"] == []


# -- what is refused --

_UNKNOWN = "5f0a2b52-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    "wanted",
    [
        {"nets": [{"network": _UNKNOWN}]},
        {"nets": [{"network": "nowhere"}]},
        {"nets": [{"port": _UNKNOWN}]},
        {"nets": [{"network": "public", "v4-fixed-ip": "no address"}]},
        {"nets": [{"v6-fixed-ip": "10.0.0.1"}]},
        {"nets": [{"surprise": 1}]},
        {"nets": "public"},
        {"security_groups": ["nothing"]},
        {"security_groups": [_UNKNOWN]},
        {"security_groups": "default"},
        {"name": "n" * 256},
        {"name": "x"},
        {"name": "-wrong"},
        {"name": 7},
        {"image": ""},
        {"image": "i" * 256},
        {"image": None},
        {"command": "ping -c 4 1.2.3.4"},
        {"command": {"a": 1}},
        {"cpu": -1},
        {"cpu": "many"},
        {"memory": "lots"},
        {"memory": 1},
        {"memory": 10**30},
        {"environment": ["A=1"]},
        {"environment": {"A": 1}},
        {"labels": "front"},
        {"hostname": "h" * 64},
        {"hostname": "not a name"},
        {"restart_policy": {"Name": "sometimes"}},
        {"restart_policy": {"MaximumRetryCount": "1"}},
        {"restart_policy": {"Name": "always", "MaximumRetryCount": "1"}},
        {"restart_policy": {"Name": "always"}, "auto_remove": True},
        {"auto_remove": "perhaps"},
        {"image_driver": "rocket"},
        {"exposed_ports": {"0/tcp": {}}},
        {"exposed_ports": {"80/icmp": {}}},
        {"exposed_ports": {"80/tcp": {}}, "security_groups": ["default"]},
        {"healthcheck": {"interval": 1}},
        {"surprise": True},
        {"status": "Running"},
        {"uuid": _UNKNOWN},
    ],
    ids=str,
)
def test_bad_input_is_refused_and_leaves_nothing(demo: Zun, wanted: dict[str, Any]) -> None:
    before = demo.net("GET", "/ports", ok=200)["ports"]
    said = demo.refused(400, **wanted)
    assert said
    assert demo("GET", "/containers").json()["containers"] == []
    assert demo.net("GET", "/ports", ok=200)["ports"] == before


@pytest.mark.parametrize("wanted", [{"privileged": True}, {"host": "testhost"}, {"runtime": "runc"}], ids=str)
def test_what_only_others_may_ask_for_is_forbidden(demo: Zun, wanted: dict[str, Any]) -> None:
    demo.refused(403, **wanted)


@pytest.mark.parametrize(
    "wanted",
    [{"mounts": [{"source": "v", "destination": "/v"}]}, {"registry": "mine"}],
    ids=lambda each: next(iter(each)),
)
def test_what_is_not_offered_yet_says_so(demo: Zun, wanted: dict[str, Any]) -> None:
    assert "not offered yet" in demo.refused(501, **wanted)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff\xfe", b"null", b""])
def test_a_body_that_is_no_object_is_refused(demo: Zun, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "OpenStack-API-Version": "container 1.40"}
    answer = demo.person.http.post("/container/v1/containers", content=body, headers=headers)
    assert answer.status_code == 400, answer.text


def test_an_exhausted_pool_is_a_conflict_and_leaves_nothing(demo: Zun) -> None:
    network = demo.network("10.23.0.0/29", allocation_pools=[{"start": "10.23.0.2", "end": "10.23.0.3"}])
    first = demo.run(nets=[{"network": network}])
    before = demo.net("GET", "/ports", ok=200)["ports"]
    demo.refused(409, nets=[{"network": network}, {"network": network}])
    assert demo.net("GET", "/ports", ok=200)["ports"] == before
    assert [each["uuid"] for each in demo("GET", "/containers").json()["containers"]] == [first]


def test_a_port_in_use_and_an_address_taken_are_conflicts(demo: Zun) -> None:
    network = demo.network("10.24.0.0/24")
    uuid = demo.run(nets=[{"network": network, "v4-fixed-ip": "10.24.0.5"}])
    demo.refused(409, nets=[{"port": demo.ports(uuid)[0]["id"]}])
    demo.refused(409, nets=[{"network": network, "v4-fixed-ip": "10.24.0.5"}])
    demo.refused(400, nets=[{"network": network, "v4-fixed-ip": "192.0.2.5"}])


def test_an_engine_that_comes_back_ends_what_was_accepted_meanwhile(demo: Zun) -> None:
    demo.world.engine_answers = False
    uuid = demo("POST", "/containers?run=true", {"image": "web"}).json()["uuid"]
    assert demo.status(uuid) == "Creating"
    demo.world.engine_answers = True
    soon(lambda: demo.status(uuid) == "Running")


def test_names_may_repeat_and_then_only_ids_tell_them_apart(demo: Zun) -> None:
    one, two = demo.run(name="same"), demo.run(name="same")
    assert demo("GET", "/containers/same").status_code == 409
    assert {demo.show(one)["uuid"], demo.show(two)["uuid"]} == {one, two}
