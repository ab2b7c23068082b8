"""What the container room asks of images."""

from collections.abc import Iterator

import pytest

from stackyard.kernel.errors import Conflict, NotFound
from stackyard.rooms.image import facade
from stackyard.rooms.image.resources.image.resource import IMAGE
from tests.rooms.image.glance import ADMIN, BOB, Glance


def _find(glance: Glance, name: str, project: str = "alice") -> facade.Image | None:
    with glance.database.read() as tx:
        return facade.find(glance.work(tx, project), name)


def test_an_image_is_found_by_id_and_by_name(glance: Glance) -> None:
    image = glance.active(b"data", name="cirros", container_format="docker", os="linux")
    found = _find(glance, "cirros")
    assert found is not None
    assert found == _find(glance, image["id"])
    assert (found.id, found.name, found.status, found.size) == (image["id"], "cirros", "active", 4)
    assert (found.disk_format, found.container_format, found.checksum) == ("raw", "docker", image["checksum"])
    assert found.properties == {"os": "linux"}
    assert _find(glance, "nothing") is None


def test_another_projects_image_is_not_found(glance: Glance) -> None:
    image = glance.active(name="mine", visibility="private")
    assert _find(glance, "mine", "bob") is None
    assert _find(glance, image["id"], "bob") is None


def test_a_name_that_several_images_have_is_refused_with_their_ids(glance: Glance) -> None:
    ids = [glance.active(name="twice")["id"] for _ in range(2)]
    with pytest.raises(Conflict) as refused:
        _find(glance, "twice")
    assert all(each in refused.value.message for each in ids)


def test_an_image_that_can_be_used_comes_before_one_that_cannot(glance: Glance) -> None:
    usable = glance.active(name="cirros")
    glance.image(name="cirros")
    found = _find(glance, "cirros")
    assert found is not None
    assert found.id == usable["id"]


def test_a_stranger_cannot_take_a_name_over(glance: Glance) -> None:
    public = glance.active(b"good", ADMIN, name="cirros", visibility="public")
    stranger = glance.active(b"bad", BOB, name="cirros", visibility="community")
    offered = glance.active(b"bad", BOB, name="cirros", visibility="shared")
    glance("POST", f"/v2/images/{offered['id']}/members", BOB, json={"member": "alice"})
    found = _find(glance, "cirros")
    assert found is not None
    assert found.id == public["id"]
    assert _find(glance, stranger["id"]) is not None


def test_an_administrator_means_their_own_or_the_public_image_by_a_name(glance: Glance) -> None:
    public = glance.active(b"good", ADMIN, name="cirros", visibility="public")
    glance.active(b"other", BOB, name="cirros", visibility="private")
    found = _find(glance, "cirros", "ops:admin")
    assert found is not None
    assert found.id == public["id"]


def test_bytes_are_read_from_an_offset(glance: Glance) -> None:
    image = glance.active(b"0123456789")
    assert b"".join(facade.open(glance.services, image["id"], 4)) == b"456789"
    with pytest.raises(NotFound):
        facade.open(glance.services, glance.image()["id"])
    with pytest.raises(NotFound):
        facade.open(glance.services, "nothing")


def _seed(glance: Glance, data: bytes = b"layers") -> facade.Image:
    return facade.seed_image(
        glance.services,
        lambda: iter([data]),
        name="cirros",
        owner="ops",
        disk_format="raw",
        container_format="docker",
        properties={"built": "here"},
    )


def test_the_clouds_own_image_is_public_and_made_once(glance: Glance) -> None:
    seeded = _seed(glance)
    assert (seeded.status, seeded.owner, seeded.properties) == ("active", "ops", {"built": "here"})
    assert _seed(glance, b"other") == seeded
    shown = glance.show(seeded.id, BOB)
    assert (shown["visibility"], shown["built"]) == ("public", "here")
    assert glance("GET", shown["file"], BOB).content == b"layers"


def _dies() -> Iterator[bytes]:
    yield b"half"
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed", [False, True])
def test_a_seed_that_broke_off_is_made_good_at_the_next_start(glance: Glance, killed: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        facade.seed_image(
            glance.services, _dies, name="cirros", owner="ops", disk_format="raw", container_format="docker"
        )
    if killed:
        with glance.database.write() as tx:
            tx.update(IMAGE.table, {"status": "saving"}, name="cirros")
    assert _seed(glance).status == "active"
    assert glance.names(token=BOB) == ["cirros"]


def test_images_outlive_a_restart(glance: Glance) -> None:
    image = glance.active(b"kept")
    glance.stop()
    glance.start()
    assert glance("GET", image["file"]).content == b"kept"
