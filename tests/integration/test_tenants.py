"""Two tenants on the same range: neither sees, reaches nor guesses what is the other's, by the API and by packets."""

import re
import socket
import urllib.request
from collections.abc import Callable

import pytest

from stackyard.testing.real_cloud import RealCloud, eventually
from tests.integration.tenant import RANGE, Tenant, web
from tests.integration.test_restarts import connection, echoes, reached

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def fetched(address: str) -> str:
    """What the web server there says. OSError when it cannot be reached."""
    host = f"[{address}]" if ":" in address else address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{host}/", timeout=3) as answer:
        return str(answer.read().decode().strip())


def soon_fetched(address: str) -> str:
    """The same, once somebody listens."""

    def attempt() -> str | None:
        try:
            return fetched(address)
        except OSError:
            return None

    return eventually(attempt, 15, f"nothing answers at {address}")


def test_each_reaches_its_own_at_the_same_addresses_and_a_floating_ip_leads_to_the_right_one(
    tenant: Tenant, other: Tenant
) -> None:
    floating = {}
    for each, name in ((tenant, "alpha"), (other, "beta")):
        each.router()
        nets = [{"network": each.network_id, "v4-fixed-ip": "10.100.0.50"}]
        server = each.container(web(name), nets=nets, security_groups=[each.group("web", 80)])
        assert each.address(server) == "10.100.0.50"
        floating[name] = each.floating_ip(server)
        client = each.container()
        said = eventually(lambda each=each, client=client: _wget(each, client, "10.100.0.50"), 15, "no answer")  # type: ignore[misc]
        assert said == name
    for name, address in floating.items():
        assert soon_fetched(address) == name


def _wget(tenant: Tenant, client: str, address: str) -> str | None:
    code, said = tenant.execute(client, f"wget -q -O - http://{address}/")
    return said.strip() if code == 0 else None


def test_packets_do_not_cross_between_tenants_on_one_range(tenant: Tenant, other: Tenant) -> None:
    nets = [{"network": other.network_id, "v4-fixed-ip": "10.100.0.77"}]
    theirs = other.container(web("beta"), nets=nets, security_groups=[other.group("web", 80)])
    friend, mine = other.container(), tenant.container()
    assert eventually(lambda: _wget(other, friend, "10.100.0.77"), 15, "no answer") == "beta"
    assert _getting(tenant, mine, "10.100.0.77")() is None
    assert tenant.execute(mine, "ping -c 2 -W 1 10.100.0.77")[0] != 0
    assert "10.100.0.77" not in tenant.execute(mine, "ip neigh show nud reachable")[1]
    assert other.execute(theirs, "ping -c 2 -W 1 10.100.0.77")[0] == 0


def test_nothing_of_one_tenant_is_seen_or_guessed_by_the_other(tenant: Tenant, other: Tenant) -> None:
    container, _ = reached(tenant, 80, command=web("alpha"))
    [port] = tenant.collection(f"ports?device_id={container}")
    [group] = tenant.collection("security-groups?name=reached")
    rule = group["security_group_rules"][0]["id"]
    [floating] = tenant.collection("floatingips")
    [router] = tenant.collection("routers")
    image = tenant.api.post("/image/v2/images", {"name": "mine", "disk_format": "raw", "container_format": "bare"})
    objects = [
        f"/container/v1/containers/{container}",
        f"/networking/v2.0/networks/{tenant.network_id}",
        f"/networking/v2.0/subnets/{tenant.subnet_id}",
        f"/networking/v2.0/ports/{port['id']}",
        f"/networking/v2.0/security-groups/{group['id']}",
        f"/networking/v2.0/security-group-rules/{rule}",
        f"/networking/v2.0/floatingips/{floating['id']}",
        f"/networking/v2.0/routers/{router['id']}",
        f"/image/v2/images/{image['id']}",
    ]
    for path in objects:
        assert tenant.api("GET", path).status_code == 200, path
        unknown = path.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
        for method in ("GET", "DELETE"):
            theirs, nobodys = other.api(method, path), other.api(method, unknown)
            assert (theirs.status_code, nobodys.status_code) == (404, 404), f"{method} {path}: {theirs.text}"
            assert _anonymous(theirs.text, path) == _anonymous(nobodys.text, unknown), "they are told apart"
        assert tenant.api("GET", path).status_code == 200, path
    for action in ("start", "stop", "kill", "logs", "execute?command=id", "top", "stats"):
        method = "GET" if action in ("logs", "top", "stats") else "POST"
        assert other.api(method, f"/container/v1/containers/{container}/{action}").status_code == 404, action
    for path in objects:
        listed = other.api.get(path.rpartition("/")[0])
        assert path.rpartition("/")[2] not in str(listed), path
    tenant.api("DELETE", f"/image/v2/images/{image['id']}", ok=204)


def _anonymous(text: str, path: str) -> str:
    """An answer without what differs by the question: the id asked for and the request's own."""
    return re.sub(r"req-[0-9a-f-]{36}", "", text.replace(path.rpartition("/")[2], ""))


def test_what_is_anothers_cannot_be_used_either(tenant: Tenant, other: Tenant) -> None:
    container = tenant.container()
    [port] = tenant.collection(f"ports?device_id={container}")
    group = tenant.group("mine")
    for values, named in (
        ({"nets": [{"network": tenant.network_id}]}, tenant.network_id),
        ({"nets": [{"port": port["id"]}]}, port["id"]),
        ({"security_groups": [group]}, group),
    ):
        body = {"image": "cirros", "nets": [{"network": other.network_id}], **values}
        answer = other.api("POST", "/container/v1/containers", body)
        assert answer.status_code == 400, answer.text
        assert named in answer.text
    assert other.api.get("/container/v1/containers")["containers"] == [], "a refusal leaves nothing"
    assert other.collection(f"ports?network_id={other.network_id}&device_owner=compute:zun") == []


def test_a_rule_taken_away_ends_a_live_connection_and_one_added_opens_the_port(tenant: Tenant) -> None:
    container, address = reached(tenant, command=["sh", "-c", "trap exit TERM; nc -ll -p 7000 -e cat & wait"])
    group = tenant.collection("security-groups?name=reached")[0]["id"]
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        socket.create_connection((address, 7000), timeout=1).close()
    rule = tenant.let_in(group, 7000)
    with connection(address, 7000) as flow:
        flow.settimeout(2)
        assert echoes(flow, b"let in")
        tenant.delete("security-group-rules", rule)
        eventually(lambda: _is_cut(flow) or None, 10, "the connection goes on")
    assert tenant.show(container)["status"] == "Running"


def _is_cut(flow: socket.socket) -> bool:
    try:
        return not echoes(flow, b"still?")
    except OSError:
        return True


def test_ipv6_addresses_reach_each_other_and_obey_groups(tenant: Tenant) -> None:
    tenant.make("subnets", "subnet", network_id=tenant.network_id, cidr="fd00:100::/64", ip_version=6)
    group = tenant.group("six")
    server = tenant.container(web("six"), security_groups=[group])
    client = tenant.container()
    address = tenant.address(server, version=6)
    assert address.startswith("fd00:100::")
    get = _getting(tenant, client, f"[{address}]")
    assert get() is None
    tenant.let_in(group, 80, ethertype="IPv6", remote_ip_prefix="fd00:100::/64")
    assert eventually(get, 10, "no answer") == "six"
    assert tenant.address(server).startswith(RANGE.rpartition(".")[0])


def _getting(tenant: Tenant, client: str, address: str) -> Callable[[], str | None]:
    def get() -> str | None:
        code, said = tenant.execute(client, f"timeout 2 wget -q -O - http://{address}/")
        return said.strip() if code == 0 else None

    return get


def test_the_cloud_and_its_host_agree_with_two_tenants_on_one_range(
    cloud: RealCloud, tenant: Tenant, other: Tenant
) -> None:
    for each in (tenant, other):
        each.router()
        each.floating_ip(each.container())
    cloud.agrees()
