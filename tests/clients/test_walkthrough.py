"""The demo's own commands by the real client, as bin/demo.steps lists them. What each has done is confirmed by a second
call, past the client; a command that nobody knows how to confirm fails, so that the demo cannot outgrow this test.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.clients.conftest import Client
from tests.clients.steps import Step, demo

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def test_each_of_the_demos_commands_does_what_it_says(client: Client) -> None:
    kept: dict[str, str] = {}
    for step in demo():
        words = step.filled(kept)
        if step.word == "title":
            continue
        said = _waited_for(client, step, words) if step.word == "wait_for" else client.run(words)
        if step.word == "keep":
            kept[step.name] = said
        _confirmer(words)(client, words, said)
    assert client.cloud.check() == []


def _waited_for(client: Client, step: Step, words: list[str]) -> str:
    end = time.monotonic() + 60
    while (said := client.run(words)) != step.name:
        assert said != "Error", client.run(words)
        assert time.monotonic() < end, f"{' '.join(words)}: {said!r}, never {step.name!r}"
    return said


Confirm = Callable[[Client, list[str], str], None]


def _confirmer(words: list[str]) -> Confirm:
    line = " ".join(words).replace("--os-cloud stackyard-admin ", "")
    found = [confirm for start, confirm in CONFIRMED.items() if line.startswith(start)]
    assert found, f"nobody knows how to confirm: {line}"
    return found[0]


def _network(client: Client, what: str) -> list[dict[str, Any]]:
    [found] = client.api.get(f"/networking/v2.0/{what}").values()
    return list(found)


def _container(client: Client, name: str) -> dict[str, Any]:
    return dict(client.api.get(f"/container/v1/containers/{name}"))


def _lists(path: str, key: str, member: str, admin: bool = False) -> Confirm:
    """Each object that the API lists is in the client's table."""

    def confirm(client: Client, words: list[str], said: str) -> None:
        listed = (client.admin if admin else client.api).get(path)[key]
        assert listed
        for each in listed:
            assert str(each[member]) in said

    return confirm


def _host_is_real(client: Client, words: list[str], said: str) -> None:
    [host] = client.admin.get("/container/v1/hosts")["hosts"]
    shown = client.admin.get(f"/container/v1/hosts/{host['uuid']}")
    assert shown["hostname"] in said
    assert str(shown["cpus"]) in said


def _gateway_is_the_routers(client: Client, words: list[str], said: str) -> None:
    [subnet] = _network(client, "subnets?name=demo-subnet")
    assert subnet["gateway_ip"] == said
    ports = _network(client, "ports?device_owner=network:router_interface")
    assert said in [each["fixed_ips"][0]["ip_address"] for each in ports]


def _is_there(client: Client, words: list[str], said: str) -> None:
    name = words[words.index("--name") + 1]
    made = _container(client, name)
    assert made["uuid"] in said
    assert made["status"] in ("Creating", "Created", "Running", "Stopped")


def _has_that_status(client: Client, words: list[str], said: str) -> None:
    shown = _container(client, words[3])
    assert shown["status"] == said
    states = {each["State"] for each in client.cloud.in_engine(shown["uuid"]) if "sandbox" not in str(each["Names"])}
    assert states == {"Running": {"running"}, "Stopped": {"exited"}}[said]


def _logged(client: Client, words: list[str], said: str) -> None:
    assert "4 packets transmitted, 4 packets received" in said
    assert client.api.get("/container/v1/containers/test/logs").strip() == said


def _group_is_there(client: Client, words: list[str], said: str) -> None:
    [group] = _network(client, "security-groups?name=web")
    assert group["id"] in said


def _rule_is_there(client: Client, words: list[str], said: str) -> None:
    [group] = _network(client, "security-groups?name=web")
    opened = [each for each in group["security_group_rules"] if each["direction"] == "ingress"]
    assert [(each["protocol"], each["port_range_min"], each["port_range_max"]) for each in opened] == [("tcp", 80, 80)]


def _is_floating(client: Client, words: list[str], said: str) -> None:
    [floating] = _network(client, f"floatingips?floating_ip_address={said}")
    assert floating["status"] == "DOWN"
    assert floating["fixed_ip_address"] is None


def _leads_to_it(client: Client, words: list[str], said: str) -> None:
    [floating] = _network(client, f"floatingips?floating_ip_address={words[-1]}")
    [[own]] = _container(client, words[-2])["addresses"].values()
    assert (floating["fixed_ip_address"], floating["port_id"]) == (own["addr"], own["port"])


def _greets(client: Client, words: list[str], said: str) -> None:
    hostname = _container(client, "web")["uuid"][:12]
    assert said == f"Hello from {hostname}"
    assert httpx.get(words[-1], trust_env=False, timeout=30).text.strip() == said


def _serves(client: Client, words: list[str], said: str) -> None:
    assert "httpd" in said
    assert "httpd" in str(client.api.get("/container/v1/containers/web/top")["Processes"])


def _was_asked(action: str) -> Confirm:
    """Its story says that it was asked for, and it ends well."""

    def confirm(client: Client, words: list[str], said: str) -> None:
        operations = client.cloud.why(_container(client, words[-1])["uuid"])["operations"]
        assert action in [each["action"] for each in operations if each["state"] in ("done", "running", "queued")]

    return confirm


def _is_going(client: Client, words: list[str], said: str) -> None:
    answer = client.api("GET", f"/container/v1/containers/{words[-1]}")
    assert answer.status_code == 404 or answer.json()["status"] == "Deleting"


def _is_listed_or_not(client: Client, words: list[str], said: str) -> None:
    listed = client.api.get("/container/v1/containers")["containers"]
    if "--name" in words:
        name = words[words.index("--name") + 1]
        assert said == ""
        assert client.api("GET", f"/container/v1/containers/{name}").status_code == 404
        names = [str(each["Names"]) for each in client.cloud.engine("GET", "/containers/json?all=1")]
        assert len([each for each in names if "sandbox" not in each]) == len(listed)
    else:
        assert [each["name"] for each in listed] == ["web"]
        assert re.search(r"\bweb\b.*\bRunning\b", said)


#: How each command's effect is confirmed, by how the command begins.
CONFIRMED: Mapping[str, Confirm] = {
    "openstack appcontainer service list": _lists("/container/v1/services", "services", "host", admin=True),
    "openstack appcontainer host list": _lists("/container/v1/hosts", "hosts", "hostname", admin=True),
    "openstack appcontainer host show": _host_is_real,
    "openstack image list": _lists("/image/v2/images", "images", "id"),
    "openstack network list": _lists("/networking/v2.0/networks", "networks", "id"),
    "openstack router list": _lists("/networking/v2.0/routers", "routers", "id"),
    "openstack subnet show demo-subnet": _gateway_is_the_routers,
    "openstack appcontainer run": _is_there,
    "openstack appcontainer show": _has_that_status,
    "openstack appcontainer logs test": _logged,
    "openstack security group create": _group_is_there,
    "openstack security group rule create": _rule_is_there,
    "openstack floating ip create": _is_floating,
    "openstack appcontainer add floating ip": _leads_to_it,
    "curl": _greets,
    "openstack appcontainer exec web ps": _serves,
    "openstack appcontainer stop": _was_asked("stop"),
    "openstack appcontainer start": _was_asked("start"),
    "openstack appcontainer delete": _is_going,
    "openstack appcontainer list": _is_listed_or_not,
    "openstack floating ip list": _lists("/networking/v2.0/floatingips", "floatingips", "floating_ip_address"),
}
