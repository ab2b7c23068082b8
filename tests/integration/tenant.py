"""A tenant of a real cloud: a project with a network, and what tests do in it again and again."""

import itertools
import shlex
import time
from typing import Any

from stackyard.testing.personas import Persona
from stackyard.testing.real_cloud import RealCloud, eventually

NEWEST = {"OpenStack-API-Version": "container 1.40"}
RANGE = "10.100.0.0/24"
#: Ends at once when asked to, so that no test waits for a grace period.
IDLE = ["sh", "-c", "trap exit TERM; sleep 10000 & wait"]

_numbers = itertools.count(1)


def unused_name() -> str:
    """A name that no container had in this run."""
    return f"c{next(_numbers)}"


def web(text: str) -> list[str]:
    """The command of a server that answers `text` on port 80."""
    serve = f"mkdir -p /www; echo {shlex.quote(text)} >/www/index.html; trap exit TERM; httpd -f -h /www & wait"
    return ["sh", "-c", serve]


class Tenant:
    """Asks as a member of a project."""

    def __init__(self, cloud: RealCloud, api: Persona) -> None:
        self.cloud = cloud
        self.api = api

    @classmethod
    def of(cls, cloud: RealCloud, project: str) -> "Tenant":
        """The tenant of that project, emptied, with a network `net`."""
        tenant = cls(cloud, cloud.persona(project, **NEWEST))
        tenant.leave()
        tenant.network_id, tenant.subnet_id = tenant.network("net", RANGE)
        return tenant

    def leave(self) -> None:
        """Delete all that the project has."""
        if self.cloud.is_dead():
            self.cloud.up()
        admin = self.cloud.seeded("stackyard-admin", **NEWEST)
        for each in self.api.get("/container/v1/containers")["containers"]:
            path = f"/container/v1/containers/{each['uuid']}?force=true&all_projects=true"
            assert admin("DELETE", path).status_code in (204, 404, 409)
        eventually(self._has_no_containers, 30, self._stories)
        for each in self.collection("floatingips"):
            self.delete("floatingips", each["id"])
        for each in self.collection("routers"):
            self._empty(each["id"])
            self.delete("routers", each["id"])
        for kind in ("ports", "networks"):
            for each in self.collection(kind):
                if each["project_id"] == self.api.project_id:
                    self.delete(kind, each["id"])
        for each in self.collection("security-groups"):
            if each["name"] != "default":
                self.delete("security-groups", each["id"])

    def _has_no_containers(self) -> bool | None:
        return not self.api.get("/container/v1/containers")["containers"] or None

    def _stories(self) -> str:
        left = self.api.get("/container/v1/containers")["containers"]
        return "these do not go:\n" + "\n".join(self.cloud.command("why", each["uuid"]).stdout for each in left)

    def _empty(self, router_id: str) -> None:
        for port in self.collection(f"ports?device_id={router_id}&device_owner=network:router_interface"):
            path = f"/networking/v2.0/routers/{router_id}/remove_router_interface"
            self.api("PUT", path, {"port_id": port["id"]}, ok=200)

    # -- networks --

    def collection(self, what: str) -> list[dict[str, Any]]:
        """A collection of the network service; `what` may carry a query."""
        [found] = self.api.get(f"/networking/v2.0/{what}").values()
        return list(found)

    def make(self, collection: str, kind: str, /, **values: Any) -> dict[str, Any]:
        """Create one in a collection of the network service."""
        return dict(self.api.post(f"/networking/v2.0/{collection}", {kind: values})[kind])

    def delete(self, collection: str, object_id: str) -> None:
        """Delete one of the network service."""
        self.api("DELETE", f"/networking/v2.0/{collection}/{object_id}", ok=204)

    def network(self, name: str, cidr: str) -> tuple[str, str]:
        """A network with a subnet: their ids."""
        network = self.make("networks", "network", name=name)
        subnet = self.make("subnets", "subnet", network_id=network["id"], cidr=cidr, ip_version=6 if ":" in cidr else 4)
        return network["id"], subnet["id"]

    def router(self) -> str:
        """A router from the network to the outside: its id."""
        [public] = self.collection("networks?router:external=true")
        router = self.make("routers", "router", name="out", external_gateway_info={"network_id": public["id"]})
        path = f"/networking/v2.0/routers/{router['id']}/add_router_interface"
        self.api("PUT", path, {"subnet_id": self.subnet_id}, ok=200)
        return str(router["id"])

    def group(self, name: str, *ports: int) -> str:
        """A security group that lets in these TCP ports from anywhere: its id."""
        group = self.make("security-groups", "security_group", name=name)
        for port in ports:
            self.let_in(group["id"], port)
        return str(group["id"])

    def let_in(self, group_id: str, port: int, **more: Any) -> str:
        """A rule that lets in a TCP port: its id."""
        rule = self.make(
            "security-group-rules", "security_group_rule", security_group_id=group_id, direction="ingress",
            protocol="tcp", port_range_min=port, port_range_max=port, **more,
        )  # fmt: skip
        return str(rule["id"])

    def floating_ip(self, container_id: str) -> str:
        """A floating IP that leads to the container: its address, once it does. Before, packets leave the host."""
        [public] = self.collection("networks?router:external=true")
        port = self.collection(f"ports?device_id={container_id}")[0]
        made = self.make("floatingips", "floatingip", floating_network_id=public["id"], port_id=port["id"])
        eventually(lambda: self._is_active(made["id"]), 15, "the floating IP does not become ACTIVE")
        return str(made["floating_ip_address"])

    def _is_active(self, floating_id: str) -> bool | None:
        shown = self.api.get(f"/networking/v2.0/floatingips/{floating_id}")["floatingip"]
        return shown["status"] == "ACTIVE" or None

    # -- containers --

    def ask_for(self, command: list[str] | None = None, *, run: bool = True, **values: Any) -> dict[str, Any]:
        """Ask for a container; the answer, while it is being created."""
        body = {"name": unused_name(), "image": "cirros", "command": command or IDLE, **values}
        if "nets" not in body:
            body["nets"] = [{"network": self.network_id}]
        answer = self.api("POST", f"/container/v1/containers?run={str(run).lower()}", body, ok=202)
        return dict(answer.json())

    def container(self, command: list[str] | None = None, *, run: bool = True, **values: Any) -> str:
        """A container that runs (or is created): its id."""
        made = self.ask_for(command, run=run, **values)
        self.wait_for(made["uuid"], "Running" if run else "Created")
        return str(made["uuid"])

    def show(self, name_or_id: str) -> dict[str, Any]:
        """A container."""
        return dict(self.api.get(f"/container/v1/containers/{name_or_id}"))

    def act(self, container_id: str, action: str, method: str = "POST") -> Any:
        """An action on a container, with its query; its JSON."""
        answer = self.api(method, f"/container/v1/containers/{container_id}/{action}")
        assert answer.status_code in (200, 202), f"{action}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def wait_for(self, container_id: str, status: str, within: float = 30) -> dict[str, Any]:
        """The container once it has that status and no task under way. AssertionError when it fails or does not."""
        end = time.monotonic() + within
        while True:
            now = self.show(container_id)
            if now["status"] == status and not now["task_state"]:
                return now
            failed = now["status"] == "Error" != status and not now["task_state"]
            if failed or time.monotonic() > end:
                raise AssertionError(f"not {status}: {now}\n{self.cloud.command('why', container_id).stdout}")
            time.sleep(0.05)

    def is_gone(self, container_id: str) -> bool:
        """Whether there is no such container for this tenant."""
        return self.api("GET", f"/container/v1/containers/{container_id}").status_code == 404

    def execute(self, container_id: str, command: str) -> tuple[int, str]:
        """Run a command inside: its exit code and output."""
        answer = self.api.http.post(f"/container/v1/containers/{container_id}/execute", params={"command": command})
        assert answer.status_code == 200, answer.text
        return answer.json()["exit_code"], answer.json()["output"]

    def address(self, container_id: str, version: int = 4) -> str:
        """A container's first address."""
        found = self.show(container_id)["addresses"]
        return str(next(each["addr"] for many in found.values() for each in many if each["version"] == version))
