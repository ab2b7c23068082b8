"""The memberships of images: which project may see a shared image, and whether it wants to."""

from datetime import datetime

import sqlalchemy as sa

from stackyard.kernel.storage import database
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work

MEMBERS = database.table(
    "image_members",
    database.Column("image_id", sa.String(64), primary_key=True),
    database.Column("member_id", sa.String(255), primary_key=True, index=True),
    database.Column("status", sa.String(20), nullable=False),
    database.Column("created_at", database.Instant, nullable=False),
    database.Column("updated_at", database.Instant, nullable=False),
)


def members(work: Work, image_id: str) -> list[Record]:
    """The memberships of an image, oldest first."""
    return work.tx.all(
        sa.select(MEMBERS).where(MEMBERS.c.image_id == image_id).order_by(MEMBERS.c.created_at, MEMBERS.c.member_id)
    )


def member(work: Work, image_id: str, member_id: str) -> Record | None:
    """One membership."""
    return work.tx.get(MEMBERS, image_id=image_id, member_id=member_id)


def add(work: Work, image_id: str, member_id: str) -> Record:
    """Share an image with a project, which has yet to accept it. Raises Conflict when it is shared already."""
    record = Record(image_id=image_id, member_id=member_id, status="pending", created_at=work.now, updated_at=work.now)
    work.tx.insert(MEMBERS, record)
    return record


def set_status(work: Work, record: Record, status: str) -> Record:
    """Note what the member said."""
    changes: dict[str, str | datetime] = {"status": status, "updated_at": work.now}
    work.tx.update(MEMBERS, changes, image_id=record.image_id, member_id=record.member_id)
    return Record({**record, **changes})


def remove(work: Work, image_id: str, member_id: str) -> bool:
    """End a membership; whether there was one."""
    return work.tx.delete(MEMBERS, image_id=image_id, member_id=member_id) > 0


def remove_all(work: Work, image_id: str) -> None:
    """End every membership of an image."""
    work.tx.delete(MEMBERS, image_id=image_id)
