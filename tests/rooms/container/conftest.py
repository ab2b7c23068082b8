"""A cloud on fake drivers that the tests of a module share, and who uses it."""

from collections.abc import Iterator

import pytest

from stackyard.testing.cloud import RunningCloud, Worlds, cloud
from tests.rooms.container.zun import Zun, teach


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The cloud. Every test makes what it needs, and leaves what it made."""
    worlds = Worlds()
    teach(worlds.container)
    with cloud(tmp_path_factory.mktemp("cloud"), worlds=worlds) as made:
        # Hosts follow the seeded router by themselves a moment later; its port would become ACTIVE in the first test.
        made.follow()
        yield made


@pytest.fixture(scope="module")
def demo(running: RunningCloud) -> Zun:
    """The demo user, a member of project demo."""
    return Zun(running, running.demo)


@pytest.fixture(scope="module")
def admin(running: RunningCloud) -> Zun:
    """The administrator."""
    return Zun(running, running.admin)


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test leaves of its containers is deleted, and then nothing is left on the host."""
    if not {"running", "demo", "admin"} & set(request.fixturenames):
        yield
        return
    everything: Zun = request.getfixturevalue("admin")
    yield
    everything.world.engine_answers = True
    for each in everything("GET", "/containers?all_projects=true").json()["containers"]:
        everything("DELETE", f"/containers/{each['uuid']}?force=true")
    everything.cloud.settle()
    everything.reconcile()
    assert (everything.world.containers, everything.world.sandboxes) == ({}, {})
    ports = everything.person.get("/networking/v2.0/ports?device_owner=compute:zun")["ports"]
    assert [each["id"] for each in ports if each["device_id"]] == []
    assert everything.mismatches() == []
