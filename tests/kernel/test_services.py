"""A server of chosen services: what it serves works, what it does not serve is neither there nor lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from stackyard.assemble import ROOMS, rooms
from stackyard.cli.main import main
from stackyard.kernel.settings import save
from stackyard.kernel.storage import branches
from stackyard.kernel.storage.archive import read_manifest
from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import RunningCloud, Worlds, cloud

PROJECTS, CATALOG, SERVICES = "/identity/v3/projects", "/identity/v3/auth/catalog", "/identity/v3/services"
SHOWN = {
    "identity": "/identity/v3/users", "placement": "/placement/resource_providers", "image": "/image/v2/images",
    "network": "/networking/v2.0/networks", "container": "/container/v1/containers",
}  # fmt: skip
COMBINATIONS = [
    ["identity"], ["identity", "placement"], ["identity", "placement", "image"], ["identity", "network"], ["all"],
]  # fmt: skip


@contextmanager
def cloud_of(folder: Path, *services: str, **settings: Any) -> Iterator[RunningCloud]:
    worlds = Worlds()
    worlds.container.registry["web"] = Image(id="sha256:web", names=["web:latest"], size=3)
    with cloud(folder, worlds=worlds, services=list(services), **settings) as running:
        yield running


def serve(running: RunningCloud, *services: str) -> None:
    """The server ends, and comes back with these."""
    running.stop()
    running.settings = msgspec.structs.replace(running.settings, services=list(services))
    running.start()


def serves(running: RunningCloud, names: list[str]) -> None:
    """It has these and no others: in the catalog, and in what answers."""
    assert sorted(each["type"] for each in running.admin.get(CATALOG)["catalog"] if each["endpoints"]) == sorted(names)
    answers = {name: running.admin("GET", path, openstack_api_version="placement 1.0").status_code
               for name, path in SHOWN.items()}  # fmt: skip
    assert answers == {name: 200 if name in names else 404 for name in ROOMS}
    assert not running.cloud.health.troubles()
    running.settle()
    assert running.cloud.reconcilers.mismatches() == []


@pytest.mark.thorough
@pytest.mark.parametrize("services", COMBINATIONS, ids="+".join)
def test_a_server_of_some_services_comes_up_and_comes_back(tmp_path: Path, services: list[str]) -> None:
    names = [room.name for room in rooms(services)]
    with cloud_of(tmp_path, *services) as running:
        serves(running, names)
        assert running.persona("anew", "member").get("/identity/v3/auth/projects")["projects"]
        with running.cloud.database.read() as tx:
            assert branches.labels(tx) == {"kernel", *names}
        running.restart()
        serves(running, names)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["compute"], "no service 'compute'; there are: all, identity, placement, image, network, container"),
        (["image"], "image needs identity too"),
        (["identity", "container"], "container needs placement and image and network too"),
        ([], "choose at least identity"),
    ],
)
def test_what_cannot_be_served_alone_is_told_with_what_it_needs(chosen: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        rooms(chosen)


def test_what_is_served_no_more_is_kept_and_comes_back(tmp_path: Path) -> None:
    with cloud_of(tmp_path, "all", threads=0) as running:
        who = running.demo
        network = who.post("/networking/v2.0/networks", {"network": {"name": "mine"}})["network"]["id"]
        container = who.post("/container/v1/containers", {"name": "till", "image": "web"}, ok=202)["uuid"]
        catalog = running.admin.get(CATALOG)
        triggers = _triggers(running)
        serve(running, "identity")
        assert running.cloud.workers.run_all() == 0, "what another service has begun is left to it"
        assert not running.cloud.health.troubles()
        assert running.cloud.reconcilers.mismatches() == []
        assert [each["type"] for each in running.admin.get(CATALOG)["catalog"]] == ["identity"]
        assert _triggers(running) == triggers
        serve(running, "all")
        assert running.admin.get(CATALOG) == catalog
        assert who.get(f"/networking/v2.0/networks/{network}")["network"]["name"] == "mine"
        running.settle()
        assert who.get(f"/container/v1/containers/{container}")["status"] == "Created"


def _triggers(running: RunningCloud) -> set[str]:
    """What writes the log of changes; both databases name the events it is for."""
    found = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    postgresql = "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'watch%'"
    with running.cloud.database.read() as tx:
        return set(tx.connection.scalars(sa.text(found if running.cloud.database.is_sqlite else postgresql)))


@pytest.mark.thorough
def test_a_project_that_holds_what_is_not_served_stays(tmp_path: Path) -> None:
    with cloud_of(tmp_path, "all") as running:
        who, free = running.persona("holder", "member"), running.persona("free", "member")
        network = who.post("/networking/v2.0/networks", {"network": {"name": "mine"}})["network"]["id"]
        project = f"{PROJECTS}/{who.project_id}"
        serve(running, "identity", "placement")
        for path in (project, f"{project}?cascade=true"):
            answer = running.admin("DELETE", path, ok=409)
            assert f"network (not served): 1 networks ({network})" in answer.text
            assert "stackyard up --services" in answer.text
        assert running.admin.get(project)["project"]["enabled"]
        running.admin("DELETE", f"{PROJECTS}/{free.project_id}", ok=204)
        serve(running, "all")
        running.admin("DELETE", f"{project}?cascade=true", ok=204)
        running.settle()
        running.admin("GET", project, ok=404)


def test_the_catalog_keeps_what_people_have_written_into_it(tmp_path: Path) -> None:
    with cloud_of(tmp_path, "all") as running:
        admin = running.admin
        images = next(each["id"] for each in admin.get(SERVICES)["services"] if each["type"] == "image")
        other = admin.post(SERVICES, {"service": {"type": "network", "name": "neutron elsewhere"}})["service"]["id"]
        empty = admin.post(SERVICES, {"service": {"type": "image", "name": "glance elsewhere"}})["service"]["id"]
        made = []
        for service_id in (images, other):
            asked = {"service_id": service_id, "interface": "public", "url": "https://elsewhere.example.org"}
            made.append(admin.post("/identity/v3/endpoints", {"endpoint": asked})["endpoint"]["id"])
        serve(running, "identity")
        catalog = [each for each in admin.get(CATALOG)["catalog"] if each["endpoints"]]
        found = {each["type"]: [one["id"] for one in each["endpoints"]] for each in catalog}
        assert {kind: ids for kind, ids in found.items() if kind != "identity"} == {
            "image": made[:1], "network": made[1:],
        }  # fmt: skip
        assert empty in {each["id"] for each in admin.get(SERVICES)["services"]}


def test_a_cloud_of_identity_grows_to_a_whole_one(tmp_path: Path) -> None:
    with cloud_of(tmp_path, "identity") as running:
        who = running.persona("early", "member")
        serve(running, "all")
        serves(running, list(ROOMS))
        assert who.post("/networking/v2.0/networks", {"network": {"name": "late"}})
        names = {each["name"] for each in running.admin.get("/networking/v2.0/networks")["networks"]}
        assert "public" in names


@pytest.mark.thorough
def test_the_operators_upgrade_and_archive_take_along_what_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, archive = tmp_path / "state", tmp_path / "archive.tar"
    with cloud_of(state, "all") as running:
        serve(running, "identity")
        with running.cloud.database.read() as tx:
            revisions = branches.current(tx)
        save(running.settings)
    assert main(["db", "upgrade", "--state", str(state)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {revision.rpartition("_")[0] for revision in revisions} == {"kernel", *ROOMS}
    assert main(["db", "backup", str(archive), "--state", str(state)]) == 0
    assert set(read_manifest(archive).revisions) == revisions
