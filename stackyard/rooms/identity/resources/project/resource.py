"""Projects: what owns every other object of the cloud. They form trees below their domains."""

from datetime import timedelta

from stackyard.kernel.declare.kinds import Boolean, ListOf, Text
from stackyard.kernel.declare.resource import Action, Field, Id, Operation, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    allow,
    domain_manager,
    domain_reader,
    either,
)
from stackyard.rooms.identity.resources.project import going, hierarchy, rules
from stackyard.rooms.identity.resources.project.tags import MOST, TAG, tags_field

_MEMBERS = "project_id:%(target.project.id)s"
_READ = either(ADMIN_OR_SYSTEM_READER, domain_reader("target.project.domain_id"), _MEMBERS)
_WRITE = either(ADMIN, domain_manager("target.project.domain_id"))


def _tag_filter(name: str, doc: str) -> Field:
    return Field(name=name, kind=Text(min=1, max=None), doc=doc)


PROJECT = Resource(
    name="project",
    path="/v3/projects",
    table_name="identity_project",
    fields=[
        Id(hex=True),
        fields.NamedBy(64, index=True),
        fields.Reference("domain_id", "The domain that owns the project; the token's unless given."),
        fields.Description(),
        fields.Enabled(),
        fields.Reference("parent_id", "The project (or domain) above it; its domain unless given."),
        Field(
            name="is_domain",
            kind=Boolean(),
            default=False,
            filter=False,
            doc="Whether the project acts as a domain.",
        ),
        tags_field(),
        fields.Immutable(),
        fields.Extra(),
    ],
    visible=everyone,
    unique=[("domain_id", "name")],
    target=rules.target,
    list_query=[
        Field(name="is_domain", kind=Boolean(), default=False, doc="List the projects that act as domains instead."),
        _tag_filter("tags", "Projects that have all of these tags."),
        _tag_filter("tags-any", "Projects that have any of these tags."),
        _tag_filter("not-tags", "Projects that have not all of these tags."),
        _tag_filter("not-tags-any", "Projects that have none of these tags."),
    ],
    narrow=rules.narrow,
    view=hierarchy.view,
    policy={
        "list": allow("list_projects", either(ADMIN_OR_SYSTEM_READER, domain_reader("target.domain_id"))),
        "show": allow("get_project", _READ),
        "create": allow("create_project", _WRITE),
        "update": allow("update_project", _WRITE),
        "delete": allow("delete_project", _WRITE),
    },
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    delete_query=[fields.Cascade()],
    operations={going.PURGE: Operation(run=going.purge, within=timedelta(hours=2))},
    actions=[
        Action(method="GET", suffix="tags", rule=rules.list_tags, allow=allow("list_project_tags", _READ), status=200),
        Action(
            method="PUT",
            suffix="tags",
            rule=rules.replace_tags,
            allow=allow("update_project_tags", _WRITE),
            status=200,
            body=[Field(name="tags", kind=ListOf(TAG, max=MOST, unique=True), required=True, doc="All tags.")],
        ),
        Action(
            method="DELETE",
            suffix="tags",
            rule=rules.clear_tags,
            allow=allow("delete_project_tags", _WRITE),
            status=204,
        ),
        Action(
            method="GET", suffix="tags/{tag}", rule=rules.check_tag, allow=allow("get_project_tag", _READ), status=204
        ),
        Action(
            method="PUT", suffix="tags/{tag}", rule=rules.add_tag, allow=allow("create_project_tag", _WRITE), status=201
        ),
        Action(
            method="DELETE",
            suffix="tags/{tag}",
            rule=rules.remove_tag,
            allow=allow("delete_project_tag", _WRITE),
            status=204,
        ),
    ],
    doc="A project owns servers, containers, networks and the like. Roles on it say who may use them.",
)
