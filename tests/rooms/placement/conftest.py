"""A cloud that the tests of a module share, and a caller of its Placement API."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest

from stackyard.testing.cloud import Persona, RunningCloud, cloud

NEWEST = "1.39"
_numbers = count(1)


@dataclass
class Placement:
    """Someone who calls the Placement API, in version 1.39 unless another is named."""

    person: Persona

    def __call__(
        self, method: str, path: str, body: Any = None, *, ok: int | None = None, version: str = NEWEST
    ) -> httpx.Response:
        asked = {"OpenStack-API-Version": f"placement {version}"}
        return self.person(method, f"/placement{path}", body, ok=ok, **asked)

    def get(self, path: str, version: str = NEWEST) -> Any:
        return self("GET", path, ok=200, version=version).json()

    def error(self, method: str, path: str, body: Any = None, *, ok: int, version: str = NEWEST) -> Any:
        """The one error of a refusal."""
        [error] = self(method, path, body, ok=ok, version=version).json()["errors"]
        return error

    def provider(self, *, parent: str | None = None, **inventories: Any) -> str:
        """A new provider of these totals, or whole inventories, by class."""
        wanted = {"name": f"provider-{next(_numbers)}", "parent_provider_uuid": parent}
        uuid = str(self("POST", "/resource_providers", wanted, ok=200).json()["uuid"])
        for name, each in inventories.items():
            if name.startswith("CUSTOM_"):
                self("PUT", f"/resource_classes/{name}")
            more = each if isinstance(each, dict) else {"total": each}
            self("POST", f"/resource_providers/{uuid}/inventories", {"resource_class": name, **more}, ok=201)
        return uuid

    def generation(self, uuid: str) -> int:
        return int(self.get(f"/resource_providers/{uuid}")["generation"])

    def set_traits(self, uuid: str, *traits: str) -> None:
        for name in traits:
            if name.startswith("CUSTOM_"):
                self("PUT", f"/traits/{name}")
        body = {"traits": list(traits), "resource_provider_generation": self.generation(uuid)}
        self("PUT", f"/resource_providers/{uuid}/traits", body, ok=200)

    def set_aggregates(self, uuid: str, *aggregates: str) -> None:
        body = {"aggregates": list(aggregates), "resource_provider_generation": self.generation(uuid)}
        self("PUT", f"/resource_providers/{uuid}/aggregates", body, ok=200)

    def allocate(
        self, having: dict[str, dict[str, int]], consumer: str = "", *, generation: int | None = None, ok: int = 204
    ) -> str:
        """A consumer has this; returns its id."""
        consumer = consumer or str(uuid4())
        self("PUT", f"/allocations/{consumer}", wanted(having, generation=generation), ok=ok)
        return consumer


def wanted(having: dict[str, dict[str, int]], **more: Any) -> dict[str, Any]:
    """The body that says what a consumer is to have."""
    allocations = {uuid: {"resources": resources} for uuid, resources in having.items()}
    known = {"project_id": "a-project", "user_id": "a-user", "consumer_type": "INSTANCE"}
    return {"allocations": allocations, "consumer_generation": more.pop("generation", None), **known, **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The cloud. Every test makes providers of its own."""
    with cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def admin(running: RunningCloud) -> Placement:
    """The administrator."""
    return Placement(running.admin)
