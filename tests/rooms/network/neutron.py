"""Short words for what network tests ask of the API, always through the wire."""

from typing import Any

import httpx

from stackyard.testing.cloud import Persona

BASE = "/networking/v2.0"


class Neutron:
    """A persona's view of the network API. Methods return the object, or the whole answer where it is refused."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.project_id = persona.project_id

    def make(self, collection: str, **attributes: Any) -> dict[str, Any]:
        """An object that is accepted (201)."""
        name = _singular(collection)
        found: dict[str, Any] = self.persona.post(f"{BASE}/{collection}", {name: _named(attributes)})[name]
        return found

    def refused(self, collection: str, **attributes: Any) -> tuple[int, str, str]:
        """An object that is refused: status, type and message."""
        return refusal(self.persona("POST", f"{BASE}/{collection}", {_singular(collection): _named(attributes)}))

    def show(self, collection: str, object_id: str) -> dict[str, Any]:
        """An object that is there."""
        found: dict[str, Any] = self.persona.get(f"{BASE}/{collection}/{object_id}")[_singular(collection)]
        return found

    def list(self, collection: str, query: str = "") -> list[dict[str, Any]]:
        """The objects a list gives."""
        found: list[dict[str, Any]] = self.persona.get(f"{BASE}/{collection}?{query}")[collection.replace("-", "_")]
        return found

    def change(self, collection: str, object_id: str, **attributes: Any) -> dict[str, Any]:
        """An update that is accepted (200)."""
        answer = self.put(collection, object_id, **attributes)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()[_singular(collection)]
        return found

    def put(self, collection: str, object_id: str, **attributes: Any) -> httpx.Response:
        """An update, accepted or not."""
        return self.persona("PUT", f"{BASE}/{collection}/{object_id}", {_singular(collection): _named(attributes)})

    def delete(self, collection: str, object_id: str) -> httpx.Response:
        """A delete, accepted or not."""
        return self.persona("DELETE", f"{BASE}/{collection}/{object_id}")

    def gone(self, collection: str, object_id: str) -> None:
        """A delete that is accepted."""
        answer = self.delete(collection, object_id)
        assert answer.status_code == 204, answer.text

    def connect(self, router_id: str, **body: Any) -> httpx.Response:
        """add_router_interface."""
        return self.persona("PUT", f"{BASE}/routers/{router_id}/add_router_interface", body)

    def disconnect(self, router_id: str, **body: Any) -> httpx.Response:
        """remove_router_interface."""
        return self.persona("PUT", f"{BASE}/routers/{router_id}/remove_router_interface", body)

    def net(self, cidr: str = "10.100.0.0/28", **subnet: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A network with a subnet."""
        network = self.make("networks", name="net")
        version = 6 if ":" in cidr else 4
        return network, self.make("subnets", network_id=network["id"], ip_version=version, cidr=cidr, **subnet)

    def public(self) -> str:
        """The id of the external network."""
        return str(self.list("networks", "router:external=true&name=public")[0]["id"])


def _singular(collection: str) -> str:
    return collection.removesuffix("s").replace("-", "_")


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    """router__external stands for router:external."""
    return {name.replace("__", ":"): value for name, value in attributes.items()}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of an error answer."""
    error = answer.json()["NeutronError"]
    return answer.status_code, error["type"], error["message"]
