"""Sharing an image: its owner offers it to projects, and each accepts or rejects for itself."""

from typing import Any

from stackyard.kernel.declare.kinds import OneOf, Text
from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, PayloadTooLarge
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.image import rules as images
from stackyard.rooms.image.resources.member import store

MOST_MEMBERS = 128
STATUSES = ("pending", "accepted", "rejected")
_MEMBER = Text(min=1, max=255)
_STATUS = OneOf(*STATUSES)


def add(work: Work, image_id: str, body: Any) -> Record:
    """Offer an image to a project. Raises Forbidden unless the caller owns it, Conflict when it is offered already."""
    member_id = _given(body, "member", _MEMBER)
    image = _shared_image(work, image_id)
    images.check(work, "add_member", image, said=f"create members for image {image_id}")
    if len(store.members(work, image_id)) >= MOST_MEMBERS:
        raise PayloadTooLarge(f"Image {image_id} has {MOST_MEMBERS} members, the most an image may have.")
    if store.member(work, image_id, member_id):
        raise Conflict(f"Member {member_id} is duplicated for image {image_id}", field="member")
    work.event(image_id, "member", f"shared with project {member_id}")
    return store.add(work, image_id, member_id)


def members(work: Work, image_id: str) -> list[Record]:
    """Whom an image is offered to: the owner sees all, a member sees itself."""
    image = _shared_image(work, image_id)
    images.check(work, "get_members", image, said=f"list members for image {image_id}")
    return [each for each in store.members(work, image_id) if _sees(work, image, each.member_id)]


def member(work: Work, image_id: str, member_id: str) -> Record:
    """One membership. Raises NotFound for what the caller may not know of."""
    try:
        image = _shared_image(work, image_id)
    except Forbidden as error:
        raise NotFound(error.detail) from None
    found = store.member(work, image_id, member_id)
    if (
        found is None
        or not _sees(work, image, member_id)
        or not work.allows("get_member", images.target_of(work, image))
    ):
        raise _unknown(image_id, member_id)
    return found


def answer(work: Work, image_id: str, member_id: str, body: Any) -> Record:
    """Accept, reject or postpone an offer; only the member itself can. Raises Forbidden for others."""
    status = _given(body, "status", _STATUS)
    image = _shared_image(work, image_id)
    images.check(work, "modify_member", image, said="modify 'status' on this image member")
    if not work.caller.is_admin and member_id != work.caller.project_id:
        raise _unknown(image_id, member_id)
    found = store.member(work, image_id, member_id)
    if found is None:
        raise _unknown(image_id, member_id)
    return store.set_status(work, found, status)


def remove(work: Work, image_id: str, member_id: str) -> None:
    """Take an offer back. Raises Forbidden unless the caller owns the image."""
    image = _shared_image(work, image_id)
    images.check(work, "delete_member", image, said=f"delete members of image {image_id}")
    if not store.remove(work, image_id, member_id):
        raise _unknown(image_id, member_id)
    work.event(image_id, "member", f"no longer shared with project {member_id}")


def _shared_image(work: Work, image_id: str) -> Record:
    image = images.find(work, image_id)
    if image.visibility != "shared":
        raise Forbidden("Only shared images have members.", remedy="Set the image's visibility to shared first.")
    return image


def _sees(work: Work, image: Record, member_id: str) -> bool:
    return work.caller.is_admin or work.caller.project_id in (image.owner, member_id)


def _unknown(image_id: str, member_id: str) -> NotFound:
    return NotFound(f"{member_id[:255]} not found in the member list of the image {image_id}.")


def _given(body: Any, name: str, kind: Any) -> str:
    if not isinstance(body, dict) or name not in body:
        raise BadRequest(f"Expected an object with the member '{name}'.", field=name)
    return str(kind.parse(body[name], name, True))
