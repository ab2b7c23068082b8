"""Images: what callers say of them, and what they read back."""

import uuid

import pytest

from tests.rooms.image.glance import ADMIN, ALICE, BOB, PATCH, READER, Glance


def test_a_new_image_waits_for_its_data_and_says_everything_glance_says(glance: Glance) -> None:
    answer = glance("POST", "/v2/images", json={"name": "cirros", "disk_format": "qcow2", "container_format": "bare"})
    image = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(image["self"])
    assert image["status"] == "queued"
    assert (image["owner"], image["visibility"]) == ("alice", "shared")
    assert (image["min_disk"], image["min_ram"], image["protected"], image["os_hidden"]) == (0, 0, False, False)
    assert (image["size"], image["checksum"], image["os_hash_algo"], image["tags"]) == (None, None, None, [])
    assert image["file"] == f"/v2/images/{image['id']}/file"
    assert image["schema"] == "/v2/schemas/image"
    assert image["created_at"].endswith("Z")
    assert "status_reason" not in image
    assert glance.show(image["id"]) == image


def test_properties_stand_beside_the_attributes(glance: Glance) -> None:
    image = glance.image(hw_arch="x86_64", tags=["b", "a", "a"])
    assert (image["hw_arch"], image["tags"]) == ("x86_64", ["a", "b"])


def test_the_caller_may_choose_the_id_once(glance: Glance) -> None:
    wanted = str(uuid.uuid4())
    assert glance.image(id=wanted)["id"] == wanted
    assert glance("POST", "/v2/images", BOB, json={"id": wanted}).status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"disk_format": "wrong"}, 400, "disk_format"),
        ({"container_format": "wrong"}, 400, "container_format"),
        ({"disk_format": "ami", "container_format": "bare"}, 400, "both must be the same"),
        ({"id": "not-a-uuid"}, 400, "id"),
        ({"name": "n" * 256}, 400, "name"),
        ({"name": 7}, 400, "name"),
        ({"min_disk": -1}, 400, "min_disk"),
        ({"min_disk": "1"}, 400, "min_disk"),
        ({"protected": "yes"}, 400, "protected"),
        ({"visibility": "secret"}, 400, "visibility"),
        ({"hw_arch": 64}, 400, "hw_arch"),
        ({"p" * 256: "x"}, 400, "property name"),
        ({"tags": "a"}, 400, "tags"),
        ({"tags": ["t" * 256]}, 400, "tags"),
        ({"tags": [f"t{n}" for n in range(129)]}, 413, "128 tags"),
        ({f"p{n}": "x" for n in range(129)}, 413, "128 properties"),
        ({"status": "active"}, 403, "'status' is read-only"),
        ({"size": 1}, 403, "'size' is read-only"),
        ({"self": "x"}, 403, "'self' is read-only"),
        ({"deleted": True}, 403, "'deleted' is reserved"),
        ({"os_glance_foo": "x"}, 403, "'os_glance_foo' is reserved"),
        ({"owner": "bob"}, 403, "owned by 'bob'"),
        ({"visibility": "public"}, 403, "public"),
        ([], 400, "JSON object"),
        ("x", 400, "JSON object"),
    ],
)
def test_a_bad_image_is_refused_with_the_attribute_at_fault(
    glance: Glance, body: object, status: int, said: str
) -> None:
    answer = glance("POST", "/v2/images", json=body)
    assert (answer.status_code, said in answer.json()["message"]) == (status, True), answer.text
    assert glance.names() == []


def test_errors_have_glances_form(glance: Glance) -> None:
    answer = glance("GET", f"/v2/images/{uuid.uuid4()}")
    assert answer.json()["code"] == "404 Not Found"
    assert answer.json()["title"] == "Not Found"
    assert glance("GET", "/v2/images", None).status_code == 401
    malformed = glance("POST", "/v2/images", content=b"{", headers={"Content-Type": "application/json"})
    assert malformed.status_code == 400


def test_a_reader_registers_and_changes_nothing(glance: Glance) -> None:
    image = glance.image()
    assert glance("POST", "/v2/images", READER, json={"name": "x"}).status_code == 403
    assert glance("DELETE", f"/v2/images/{image['id']}", READER).status_code == 403
    assert glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, token=READER).status_code == 403
    assert glance.upload(image["id"], b"x", READER).status_code == 403
    assert glance.show(image["id"], READER)["name"] == "an image"


def test_a_patch_changes_attributes_properties_and_tags_together(glance: Glance) -> None:
    image = glance.image(os_type="linux", old="1")
    answer = glance.patch(
        image["id"],
        {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "replace", "path": "/os_type", "value": "bsd"},
        {"op": "add", "path": "/a~1b", "value": "slash"},
        {"op": "add", "path": "/min_ram", "value": 64},
        {"op": "remove", "path": "/old"},
        {"op": "replace", "path": "/tags", "value": ["t"]},
    )
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["name"], changed["os_type"], changed["a/b"], changed["min_ram"]) == ("renamed", "bsd", "slash", 64)
    assert "old" not in changed
    assert changed["tags"] == ["t"]
    assert glance.show(image["id"]) == changed


def test_the_older_patch_media_type_works(glance: Glance) -> None:
    image = glance.image()
    media = "application/openstack-images-v2.0-json-patch"
    answer = glance.patch(
        image["id"], {"replace": "/name", "value": "old way"}, {"add": "/p", "value": "1"}, media=media
    )
    assert (answer.status_code, answer.json()["name"], answer.json()["p"]) == (200, "old way", "1")
    assert glance.patch(image["id"], {"add": "/os_glance_foo", "value": "bar"}, media=media).status_code == 403


@pytest.mark.parametrize(
    ("operation", "status", "said"),
    [
        ({"op": "replace", "path": "/status", "value": "active"}, 403, "read-only"),
        ({"op": "replace", "path": "/id", "value": "x"}, 403, "read-only"),
        ({"op": "replace", "path": "/owner", "value": "bob"}, 403, "Owner"),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403, "public"),
        ({"op": "replace", "path": "/absent", "value": "x"}, 409, "absent does not exist"),
        ({"op": "remove", "path": "/absent"}, 409, "absent does not exist"),
        ({"op": "remove", "path": "/name"}, 403, "may not be removed"),
        ({"op": "replace", "path": "/min_ram", "value": "many"}, 400, "min_ram"),
        ({"op": "replace", "path": "/min_ram", "value": None}, 400, "null"),
        ({"op": "replace", "path": "/name"}, 400, "value"),
        ({"op": "move", "path": "/name", "from": "/x"}, 400, "Operations must be one of"),
        ({"op": "add", "path": "name", "value": "x"}, 400, "does not start"),
        ({"op": "add", "path": "/a/b", "value": "x"}, 400, "Invalid JSON pointer"),
        ({"op": "add", "path": "/a~2", "value": "x"}, 400, "escape"),
        ({"op": "add", "value": "x"}, 400, "path"),
        ("x", 400, "JSON objects"),
    ],
)
def test_a_bad_patch_changes_nothing(glance: Glance, operation: object, status: int, said: str) -> None:
    image = glance.image()
    answer = glance.patch(image["id"], {"op": "add", "path": "/before", "value": "1"}, operation)
    assert (answer.status_code, said in answer.json()["message"]) == (status, True), answer.text
    assert glance.show(image["id"]) == image


def test_a_client_that_takes_stores_for_a_property_is_understood(glance: Glance) -> None:
    image = glance.active()
    assert glance.patch(image["id"], {"op": "remove", "path": "/stores"}).json()["stores"] == "files"
    assert glance.patch(image["id"], {"op": "replace", "path": "/stores", "value": "x"}).status_code == 403


def test_an_unknown_patch_media_type_is_told_which_are_known(glance: Glance) -> None:
    image = glance.image()
    for media in ("application/json", "text/plain"):
        answer = glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, media=media)
        assert answer.status_code == 415
        assert PATCH in answer.headers["accept-patch"]


def test_formats_stay_as_they_are_once_there_is_data(glance: Glance) -> None:
    image = glance.active()
    answer = glance.patch(image["id"], {"op": "replace", "path": "/disk_format", "value": "qcow2"})
    assert answer.status_code == 403
    assert glance.patch(image["id"], {"op": "replace", "path": "/disk_format", "value": "raw"}).status_code == 200


def test_a_protected_image_is_not_deleted_until_the_protection_is_gone(glance: Glance) -> None:
    image = glance.active(protected=True)
    answer = glance("DELETE", f"/v2/images/{image['id']}")
    assert answer.status_code == 403
    assert "protected" in answer.json()["message"]
    assert glance.patch(image["id"], {"op": "replace", "path": "/protected", "value": False}).status_code == 200
    assert glance("DELETE", f"/v2/images/{image['id']}").status_code == 204
    assert glance("GET", f"/v2/images/{image['id']}").status_code == 404
    assert glance("DELETE", f"/v2/images/{image['id']}").status_code == 404
    assert glance.files() == []


def test_tags_are_put_and_taken_one_by_one(glance: Glance) -> None:
    image = glance.image(tags=["old"])
    path = f"/v2/images/{image['id']}/tags"
    assert glance("PUT", f"{path}/new").status_code == 204
    assert glance("PUT", f"{path}/new").status_code == 204
    assert glance("PUT", f"{path}/{'t' * 256}").status_code == 400
    assert glance("DELETE", f"{path}/old").status_code == 204
    assert glance("DELETE", f"{path}/old").status_code == 404
    assert glance.show(image["id"])["tags"] == ["new"]
    assert glance("PUT", f"{path}/x", BOB).status_code == 404
    assert glance("PUT", f"/v2/images/{uuid.uuid4()}/tags/x").status_code == 404


def test_an_administrator_gives_an_image_to_another_project(glance: Glance) -> None:
    image = glance.image(ADMIN, owner="bob", visibility="private")
    assert glance.show(image["id"], BOB)["owner"] == "bob"
    answer = glance.patch(image["id"], {"op": "replace", "path": "/owner", "value": "alice"}, token=ADMIN)
    assert answer.json()["owner"] == "alice"
    assert glance("GET", f"/v2/images/{image['id']}", BOB).status_code == 404
    assert glance.show(image["id"], ALICE)["owner"] == "alice"


def test_an_empty_id_names_no_image(glance: Glance) -> None:
    glance.image()
    assert glance("GET", "/v2/images/").status_code == 404
    assert glance("DELETE", "/v2/images/").status_code == 404
