"""Attributes and filters that most of Neutron's resources share."""

from collections.abc import Callable
from typing import Any

from stackyard.kernel.declare.kinds import Boolean, ListOf, Text
from stackyard.kernel.declare.resource import Description, Field, Name, Revision, Timestamps
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.policies import ADMIN_OR_SERVICE

MOST_TAGS = 50
TAG = Text(min=1, max=255, pattern=r"[^,/]+")

TAG_FILTERS = [
    Field(name=name, kind=ListOf(Text(max=None)), doc=doc)
    for name, doc in (
        ("tags", "Only objects with all of these tags."),
        ("tags-any", "Only objects with any of these tags."),
        ("not-tags", "Only objects without all of these tags."),
        ("not-tags-any", "Only objects with none of these tags."),
    )
]


def owner() -> Field:
    """project_id, also called tenant_id. Only administrators name another project."""
    return Field(
        name="project_id",
        kind=Text(max=255),
        update=False,
        index=True,
        alias="tenant_id",
        admin=ADMIN_OR_SERVICE,
        doc="The project that owns the object.",
    )


def titles() -> list[Field]:
    """name and description."""
    return [Name(max=255), Description(max=255)]


def state_switch() -> Field:
    """admin_state_up: what the owner wants."""
    return Field(name="admin_state_up", kind=Boolean(), default=True, doc="Whether the object should carry traffic.")


def trail(*, tags_on_create: bool = False) -> list[Field]:
    """tags, revision_number, created_at and updated_at."""
    tags = Field(
        name="tags",
        kind=ListOf(TAG, max=MOST_TAGS),
        default=list,
        create=tags_on_create,
        update=False,
        filter=False,
        sort=False,
        doc="Words for grouping; changed below <object>/tags.",
    )
    return [tags, Revision(), *Timestamps()]


def kept(name: str) -> Callable[[Work, Record], Any]:
    """How a value that `load` put on the record is shown."""

    def show(work: Work, record: Record) -> Any:
        return record[name]

    return show
