"""The declaration of an image: its attributes, its life, and who may do what."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Boolean, Integer, OneOf, Text, Uuid
from stackyard.kernel.declare.resource import (
    Action,
    Allow,
    Field,
    Internal,
    Lifecycle,
    Operation,
    ReadOnly,
    Resource,
    Timestamps,
)
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.image import imports, rules
from stackyard.rooms.image.resources.image.store import load, representation, selected
from stackyard.rooms.image.resources.member.store import MEMBERS

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("public", "private", "shared", "community")
_BYTES = Integer(min=0, max=2**63 - 1)

_OPEN = "'public':%(visibility)s or 'community':%(visibility)s or 'shared':%(visibility)s"
_OWNER = "role:admin or (role:member and project_id:%(project_id)s)"
_READER = f"role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or {_OPEN}))"
_SHARED_READER = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))"
_USER = f"role:admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or {_OPEN}))"

POLICIES = (
    Allow("add_image", "role:admin or (role:member and project_id:%(project_id)s)"),
    Allow("modify_image", _OWNER),
    Allow("upload_image", _OWNER),
    Allow("download_image", _USER),
    Allow("publicize_image", "role:admin"),
    Allow("communitize_image", _OWNER),
    Allow("add_member", _OWNER),
    Allow("delete_member", _OWNER),
    Allow("get_member", _SHARED_READER),
    Allow("get_members", _SHARED_READER),
    Allow("modify_member", "role:admin or (role:member and project_id:%(member_id)s)"),
)

#: saving and uploading last as long as the request that sends the data; the room's reconciler ends those whose sender
#: died.
LIFE = Lifecycle(
    stable=("queued", "saving", "uploading", "active", "deactivated"),
    allows={"import": ("queued", "uploading")},
)


def visible(caller: Caller, source: sa.Table) -> "sa.ColumnElement[bool] | None":
    """Public and community images, the caller's own, and those shared with the caller's project; an admin sees all."""
    if caller.is_admin:
        return None
    found = source.c.visibility.in_(("public", "community"))
    if caller.project_id is None:
        return found
    shared = sa.select(MEMBERS.c.image_id).where(MEMBERS.c.member_id == caller.project_id)
    return sa.or_(
        found, source.c.owner == caller.project_id, sa.and_(source.c.visibility == "shared", source.c.id.in_(shared))
    )


def target(work: Work, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name: the owner under the names OpenStack's policies use, and the caller as a member."""
    project = work.caller.project_id
    sharing = record.get("visibility") == "shared" and record.get("owner") != project
    # Never None: policy compares as text, and a token without a project must not own what has no owner.
    return {"project_id": record.get("owner") or "", "member_id": (sharing and project) or ""}


def _post(suffix: str, rule: Callable[..., Any], policy: str, doc: str, status: int) -> Action:
    return Action(method="POST", suffix=suffix, rule=rule, allow=Allow(policy, _OWNER), status=status, doc=doc)


def _view(work: Work, record: Record, shown: dict[str, Any]) -> dict[str, Any]:
    return representation(work, record, shown)


IMAGE = Resource(
    name="image",
    path="/v2/images",
    selects=selected,
    fields=[
        Field(name="id", kind=Uuid(), update=False, doc="The image's id; chosen by the cloud unless given."),
        Field(name="name", kind=Text(max=255), default=None, null=True, doc="A name for people."),
        ReadOnly(
            "status",
            OneOf("queued", "saving", "uploading", "importing", "active", "deactivated"),
            default="queued",
            doc="Where the image is in its life.",
        ),
        Field(name="visibility", kind=OneOf(*VISIBILITIES), default="shared", index=True, doc="Who may see the image."),
        Field(name="protected", kind=Boolean(), default=False, doc="Whether the image is kept from deletion."),
        Field(name="os_hidden", kind=Boolean(), default=False, doc="Whether lists leave the image out unless asked."),
        Field(
            name="owner",
            kind=Text(max=255),
            default=None,
            null=True,
            index=True,
            doc="The project that owns the image.",
        ),
        Field(
            name="container_format", kind=OneOf(*CONTAINER_FORMATS), default=None, null=True, doc="What wraps the disk."
        ),
        Field(name="disk_format", kind=OneOf(*DISK_FORMATS), default=None, null=True, doc="The format of the disk."),
        Field(
            name="min_disk", kind=Integer(min=0, max=2**31 - 1), default=0, doc="GB of disk needed to boot the image."
        ),
        Field(
            name="min_ram", kind=Integer(min=0, max=2**31 - 1), default=0, doc="MB of memory needed to boot the image."
        ),
        ReadOnly("size", _BYTES, default=None, null=True, doc="Bytes of data."),
        ReadOnly(
            "virtual_size", _BYTES, default=None, null=True, doc="Bytes of the disk inside, where the format tells."
        ),
        ReadOnly("checksum", Text(max=32), default=None, null=True, doc="MD5 of the data, in hex."),
        ReadOnly("os_hash_algo", Text(max=64), default=None, null=True, doc="The algorithm of os_hash_value."),
        ReadOnly("os_hash_value", Text(max=128), default=None, null=True, doc="The secure digest of the data, in hex."),
        Timestamps(),
        Internal("status_reason", Text(max=None), doc="Why the last import failed."),
    ],
    visible=visible,
    verbs=("show", "delete"),
    policy={"show": Allow("get_image", _READER), "delete": Allow("delete_image", _OWNER)},
    target=target,
    load=load,
    view=_view,
    life=LIFE,
    operations={
        "import": Operation(
            run=imports.run,
            state="importing",
            within=timedelta(hours=2),
            failing_to="queued",
        )
    },
    delete=rules.delete,
    purge=rules.purge,
    owner_field="owner",
    actions=[
        _post("actions/deactivate", rules.deactivate, "deactivate", "Keep the data from all but administrators.", 204),
        _post("actions/reactivate", rules.reactivate, "reactivate", "Let the data be downloaded again.", 204),
        _post("import", imports.begin, "modify_image", "Make staged or remote data the image's.", 202),
        Action(
            method="PUT",
            suffix="tags/{tag}",
            rule=rules.add_tag,
            allow=Allow("modify_image", _OWNER),
            status=204,
            doc="Put a tag on an image.",
        ),
        Action(
            method="DELETE",
            suffix="tags/{tag}",
            rule=rules.remove_tag,
            allow=Allow("modify_image", _OWNER),
            status=204,
            doc="Take a tag off an image.",
        ),
    ],
    doc="An image: a disk or a container's file system, with what a cloud must know to run it.",
)
