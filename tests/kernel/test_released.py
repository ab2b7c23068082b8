"""Clouds of every released schema, with data in them, are brought to this version and are whole."""

from collections.abc import Iterator
from typing import Any

import pytest

from stackyard.kernel.journal import why
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Database
from stackyard.testing.cloud import Persona, RunningCloud, cloud
from tests.kernel import released


@pytest.fixture(scope="module", params=released.files(), ids=lambda file: file.stem)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """That cloud under this version. It repairs nothing: its hosts are not there."""
    folder = tmp_path_factory.mktemp("cloud")
    database = Database(f"sqlite:///{folder / 'stackyard.db'}")
    released.load(request.param, database, folder)
    database.close()
    with cloud(folder, threads=0) as made:
        yield made


@pytest.fixture(scope="module")
def keeper(running: RunningCloud) -> Persona:
    """Who made the objects, with the password of then."""
    newest = {"OpenStack-API-Version": "container 1.40"}
    return running.login("admin-of-vault", released.PASSWORD, "vault", **newest)


def named(keeper: Persona, path: str, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = next(each for each in keeper.get(path).values() if isinstance(each, list))
    [one] = [each for each in found if each["name"] == name]
    return one


def test_there_is_one_and_it_is_at_this_version_now(running: RunningCloud) -> None:
    assert not migrations.trouble(running.cloud.database, running.cloud.rooms)


def test_its_networks_are_whole(keeper: Persona) -> None:
    network = named(keeper, "/networking/v2.0/networks", "backbone")
    subnet = named(keeper, "/networking/v2.0/subnets", "backbone-4")
    port = named(keeper, "/networking/v2.0/ports", "socket")
    assert (subnet["cidr"], network["subnets"]) == ("10.9.8.0/24", [subnet["id"]])
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.9.8.77"}]
    assert named(keeper, "/networking/v2.0/security-groups", "wall")["description"] == "Brick's"
    assert named(keeper, "/networking/v2.0/routers", "hub")["external_gateway_info"] is None


def test_addresses_that_were_given_are_given_to_nobody_else(keeper: Persona) -> None:
    network = named(keeper, "/networking/v2.0/networks", "backbone")
    taken = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.9.8.77"}]}
    keeper("POST", "/networking/v2.0/ports", {"port": taken}, ok=409)
    keeper.post("/networking/v2.0/ports", {"port": {"network_id": network["id"]}})


def test_its_images_are_whole(keeper: Persona) -> None:
    image = named(keeper, "/image/v2/images", "picture")
    assert (image["tags"], image["colour"], image["status"]) == (["old"], "blåbær", "queued")


def test_its_containers_are_whole_and_can_be_worked_on(running: RunningCloud, keeper: Persona) -> None:
    shop = named(keeper, "/container/v1/containers", "shop")
    assert (shop["status"], shop["environment"]) == ("Running", {"MODE": "it's open"})
    keeper("DELETE", f"/container/v1/containers/{shop['uuid']}?force=true", ok=204)
    running.cloud.workers.run_all()
    keeper("GET", f"/container/v1/containers/{shop['uuid']}", ok=404)


def test_what_was_done_to_an_object_is_still_told(running: RunningCloud, keeper: Persona) -> None:
    till = named(keeper, "/container/v1/containers", "till")
    with running.cloud.database.read() as tx:
        [story] = why(tx, running.cloud.book, till["uuid"])
    assert [(each.action, each.state) for each in story.operations] == [("create", "done")]
    assert "create in the engine" in story.text()


def test_its_users_keep_their_roles(running: RunningCloud, keeper: Persona) -> None:
    assert keeper.get("/identity/v3/auth/projects")["projects"][0]["name"] == "vault"
    keeper.post("/identity/v3/projects", {"project": {"name": "annexe"}})
