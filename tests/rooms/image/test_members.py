"""Who sees which image: visibility and members."""

import uuid
from typing import Any

import pytest

from tests.rooms.image.glance import ADMIN, ALICE, BOB, READER, Glance

CAROL = "carol:member"


def _share(glance: Glance, image: dict[str, Any], member: str = "bob", token: str = ALICE) -> Any:
    return glance("POST", f"/v2/images/{image['id']}/members", token, json={"member": member})


def _answer(glance: Glance, image: dict[str, Any], status: str, token: str = BOB, member: str = "bob") -> Any:
    return glance("PUT", f"/v2/images/{image['id']}/members/{member}", token, json={"status": status})


def test_a_project_neither_sees_nor_touches_anothers_image(glance: Glance) -> None:
    for visibility in ("private", "shared"):
        image = glance.active(visibility=visibility)
        path = f"/v2/images/{image['id']}"
        assert glance("GET", path, BOB).status_code == 404
        assert glance("DELETE", path, BOB).status_code == 404
        assert glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, token=BOB).status_code == 404
        for method, part in [("PUT", "tags/x"), ("POST", "actions/deactivate"), ("GET", "file"), ("GET", "members")]:
            assert glance(method, f"{path}/{part}", BOB).status_code == 404
        assert _share(glance, image, token=BOB).status_code == 404
    assert glance.names(token=BOB) == []
    assert glance.names(token=ADMIN) == ["an image", "an image"]


def test_a_public_image_is_everybodys_to_read_and_the_owners_to_change(glance: Glance) -> None:
    image = glance.active(b"common", token=ADMIN, visibility="public")
    assert glance.names(token=BOB) == ["an image"]
    assert glance("GET", image["file"], BOB).content == b"common"
    assert glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, token=BOB).status_code == 403
    assert glance("DELETE", f"/v2/images/{image['id']}", BOB).status_code == 403
    assert glance("PUT", f"/v2/images/{image['id']}/tags/x", BOB).status_code == 403


def test_only_administrators_publicize(glance: Glance) -> None:
    image = glance.image()
    wish = {"op": "replace", "path": "/visibility", "value": "public"}
    assert glance.patch(image["id"], wish).status_code == 403
    assert glance.patch(image["id"], wish, token=ADMIN).status_code == 200
    assert glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "still mine"}).status_code == 200


def test_a_community_image_is_read_by_all_and_listed_when_asked_for(glance: Glance) -> None:
    image = glance.active(b"ours", visibility="community")
    assert glance.names(token=BOB) == []
    assert glance.names() == ["an image"]
    assert glance.names("?visibility=community", BOB) == ["an image"]
    assert glance.names("?visibility=all", BOB) == ["an image"]
    assert glance("GET", image["file"], BOB).content == b"ours"


def test_a_shared_image_enters_lists_once_it_is_accepted(glance: Glance) -> None:
    image = glance.active(b"shared")
    offered = _share(glance, image)
    assert offered.status_code == 200
    assert {name: offered.json()[name] for name in ("image_id", "member_id", "status", "schema")} == {
        "image_id": image["id"],
        "member_id": "bob",
        "status": "pending",
        "schema": "/v2/schemas/member",
    }
    assert glance.names(token=BOB) == []
    assert glance.names("?visibility=shared&member_status=pending", BOB) == ["an image"]
    assert glance("GET", image["file"], BOB).content == b"shared"
    assert _answer(glance, image, "accepted").json()["status"] == "accepted"
    assert glance.names(token=BOB) == ["an image"]
    assert glance.names("?member_status=pending", BOB) == []
    assert _answer(glance, image, "rejected").json()["status"] == "rejected"
    assert glance.names(token=BOB) == []
    assert glance.names("?member_status=all", BOB) == ["an image"]
    assert glance("GET", f"/v2/images/{image['id']}", CAROL).status_code == 404


def test_only_the_member_answers_and_only_with_known_words(glance: Glance) -> None:
    image = glance.image()
    _share(glance, image)
    assert _answer(glance, image, "accepted", ALICE).status_code == 403
    assert _answer(glance, image, "notavalidstatus").status_code == 400
    _share(glance, image, "carol")
    assert _answer(glance, image, "accepted", CAROL).status_code == 404
    assert glance("GET", f"/v2/images/{image['id']}/members/bob").json()["status"] == "pending"


def test_the_owner_sees_all_members_and_a_member_sees_itself(glance: Glance) -> None:
    image = glance.image()
    for member in ("bob", "carol"):
        _share(glance, image, member)
    path = f"/v2/images/{image['id']}/members"
    listed = glance("GET", path, READER).json()
    assert ([each["member_id"] for each in listed["members"]], listed["schema"]) == (
        ["bob", "carol"],
        "/v2/schemas/members",
    )
    assert [each["member_id"] for each in glance("GET", path, BOB).json()["members"]] == ["bob"]
    assert glance("GET", f"{path}/bob", BOB).status_code == 200
    assert glance("GET", f"{path}/carol", BOB).status_code == 404
    assert glance("GET", f"{path}/nobody").status_code == 404


def test_a_member_does_not_pass_the_image_on_or_change_it(glance: Glance) -> None:
    image = glance.image()
    _share(glance, image)
    assert _share(glance, image, "carol", BOB).status_code == 403
    assert glance("DELETE", f"/v2/images/{image['id']}/members/bob", BOB).status_code == 403
    assert glance("DELETE", f"/v2/images/{image['id']}", BOB).status_code == 403
    assert glance.upload(image["id"], b"x", BOB).status_code == 403


def test_sharing_ends_when_the_owner_says_so(glance: Glance) -> None:
    image = glance.image()
    _share(glance, image)
    _answer(glance, image, "accepted")
    path = f"/v2/images/{image['id']}/members/bob"
    assert glance("DELETE", path).status_code == 204
    assert glance("DELETE", path).status_code == 404
    assert glance("GET", f"/v2/images/{image['id']}", BOB).status_code == 404


def test_a_member_is_offered_an_image_once(glance: Glance) -> None:
    image = glance.image()
    assert _share(glance, image).status_code == 200
    again = _share(glance, image)
    assert again.status_code == 409
    assert "bob" in again.json()["message"]


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 7}, {"member": "m" * 256}, [], None])
def test_a_bad_member_is_refused(glance: Glance, body: Any) -> None:
    image = glance.image()
    assert glance("POST", f"/v2/images/{image['id']}/members", json=body).status_code == 400


def test_only_shared_images_have_members(glance: Glance) -> None:
    image = glance.image(visibility="private")
    assert _share(glance, image).status_code == 403
    assert glance("GET", f"/v2/images/{image['id']}/members").status_code == 403
    assert glance("GET", f"/v2/images/{image['id']}/members/bob").status_code == 404
    assert glance("GET", f"/v2/images/{uuid.uuid4()}/members").status_code == 404


def test_a_member_of_an_image_that_became_private_sees_it_no_longer(glance: Glance) -> None:
    image = glance.image()
    _share(glance, image)
    _answer(glance, image, "accepted")
    glance.patch(image["id"], {"op": "replace", "path": "/visibility", "value": "private"})
    assert glance("GET", f"/v2/images/{image['id']}", BOB).status_code == 404
    assert glance.names("?member_status=all", BOB) == []


def test_a_token_without_a_project_owns_nothing(glance: Glance) -> None:
    nobody = ":member"
    image = glance.active(token=ADMIN, owner=None, visibility="public")
    assert image["owner"] is None
    assert glance("DELETE", f"/v2/images/{image['id']}", nobody).status_code == 403
    assert glance.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, token=nobody).status_code == 403
    assert glance("POST", "/v2/images", nobody, json={"name": "x"}).status_code == 403
    assert glance.names(token=nobody) == ["an image"]
