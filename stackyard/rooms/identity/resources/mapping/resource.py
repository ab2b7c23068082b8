"""Mappings. Source: Identity API v3, OS-FEDERATION, "Mappings"."""

from typing import Any

from stackyard.kernel.declare.kinds import Anything, ListOf, OneOf, Text
from stackyard.kernel.declare.resource import Field, Resource, everyone
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.mapping import language


def create(work: Work, wanted: Record) -> Record:
    """Make a mapping. Raises BadRequest naming the rule that is wrong."""
    wanted["schema_version"] = wanted["schema_version"] or language.DEFAULT_VERSION
    language.read(wanted["rules"], wanted["schema_version"])
    return kernel_rows.insert(work, MAPPING, wanted)


def update(work: Work, mapping: Record, changes: Record) -> Record:
    """Replace the rules of a mapping, for everybody who logs in from now on."""
    # The command-line client sends null where it was told no version.
    if changes.get("schema_version", "given") is None:
        del changes["schema_version"]
    both: dict[str, Any] = {**mapping, **changes}
    language.read(both["rules"], both["schema_version"])
    return kernel_rows.change(work, MAPPING, mapping, changes)


MAPPING = Resource(
    name="mapping",
    path="/v3/OS-FEDERATION/mappings",
    table_name="identity_mapping",
    id_from="path",
    unknown_fields="refuse",
    fields=[
        Field(name="id", kind=Text(min=1, max=64), create=False, update=False, doc="The mapping's id."),
        Field(
            name="rules", kind=ListOf(Anything()), required=True, filter=False, sort=False, doc="The rules, in order."
        ),
        Field(
            name="schema_version",
            kind=OneOf(*language.VERSIONS),
            default=language.DEFAULT_VERSION,
            null=True,
            filter=False,
            doc="The version of the language that the rules are written in.",
        ),
    ],
    visible=everyone,
    policy={
        "list": allow("list_mappings", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_mapping", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_mapping", ADMIN),
        "update": allow("update_mapping", ADMIN),
        "delete": allow("delete_mapping", ADMIN),
    },
    create=create,
    update=update,
    doc="A mapping makes local users, groups and projects out of what an identity provider says about a person.",
)
