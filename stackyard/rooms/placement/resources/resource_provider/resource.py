"""A resource provider. Source: Placement API reference, "Resource Providers" and what stands below them."""

from collections.abc import Sequence

from stackyard.kernel.declare.kinds import Integer, ListOf, Object, Text, Timestamp, Uuid
from stackyard.kernel.declare.resource import Action, Field, Internal, ReadOnly, Resource, Shown, everyone
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import since, times
from stackyard.rooms.placement.policies import operates
from stackyard.rooms.placement.resources.resource_provider import associations, inventories, rules, usages
from stackyard.rooms.placement.resources.resource_provider.listed import narrow

#: What is linked from a provider, and since which minor version.
_LINKED = (("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11))


def _links(work: Work, provider: Record) -> list[dict[str, str]]:
    url = f"/placement/resource_providers/{provider.uuid}"
    more = [{"rel": name, "href": f"{url}/{name}"} for name, minor in _LINKED if since(work, minor)]
    return [{"rel": "self", "href": url}, *more]


def _headers(work: Work, providers: Sequence[Record]) -> dict[str, str]:
    return times(work, [each.updated_at for each in providers])


def _rule(verb: str, part: str = "") -> str:
    return f"resource_providers:{part}{verb}"


_ACTION_RULES = {
    verb: operates(_rule(verb, "inventories:")) for verb in ("list", "show", "create", "update", "delete")
}
_GENERATION = Field(name="resource_provider_generation", kind=Integer(), required=True)
_LINK = Object({"rel": Text(), "href": Text(max=None)})

RESOURCE_PROVIDER = Resource(
    name="resource_provider",
    path="/resource_providers",
    table_name="placement_resource_providers",
    id_field="uuid",
    fields=[
        Field(name="uuid", kind=Uuid(), update=False, filter=False, doc="Its id, chosen by the caller or the cloud."),
        Field(name="name", kind=Text(min=1, max=200), required=True, unique=True, filter=False),
        Field(
            name="parent_provider_uuid", kind=Uuid(), null=True, default=None, since="1.14", filter=False, index=True,
            doc="The provider that it is a part of.",
        ),
        ReadOnly("root_provider_uuid", Uuid(), since="1.14", filter=False, index=True, doc="The top of its tree."),
        ReadOnly("generation", Integer(), default=0, filter=False, doc="Rises with every change of what it has."),
        Shown("links", ListOf(_LINK), _links),
        Internal("created_at", Timestamp(), null=False),
        Internal("updated_at", Timestamp(), null=False),
    ],
    visible=everyone,
    policy={verb: operates(_rule(verb)) for verb in ("list", "show", "create", "update", "delete")},
    list_query=[
        Field(name="name", kind=Text(max=200)),
        Field(name="uuid", kind=Uuid()),
        Field(name="member_of", kind=ListOf(Text(max=None)), since="1.3"),
        Field(name="resources", kind=Text(max=None), since="1.4"),
        Field(name="in_tree", kind=Uuid(), since="1.14"),
        Field(name="required", kind=ListOf(Text(max=None)), since="1.18"),
    ],
    narrow=narrow,
    default_sort=("uuid", "asc"),
    headers=_headers,
    create=rules.create,
    create_answers=[200],
    update=rules.update,
    delete=rules.delete,
    actions=[
        Action(
            method="GET", suffix="inventories", rule=inventories.show_all, allow=_ACTION_RULES["list"], status=200
        ),
        Action(
            method="POST", suffix="inventories", rule=inventories.create, allow=_ACTION_RULES["create"], status=201,
            body=[Field(name="resource_class", kind=inventories.CLASS, required=True), *inventories.FIELDS],
        ),
        Action(
            method="PUT", suffix="inventories", rule=inventories.replace, allow=_ACTION_RULES["update"], status=200,
            body=[_GENERATION, Field(name="inventories", kind=inventories.INVENTORIES, required=True)],
        ),
        Action(
            method="DELETE", suffix="inventories", rule=inventories.delete_all, allow=_ACTION_RULES["delete"],
            status=204, since="1.5",
        ),
        Action(
            method="GET", suffix="inventories/{resource_class}", rule=inventories.show, allow=_ACTION_RULES["show"],
            status=200,
        ),
        Action(
            method="PUT", suffix="inventories/{resource_class}", rule=inventories.update,
            allow=_ACTION_RULES["update"], status=200, body=[_GENERATION, *inventories.FIELDS[1:]],
        ),
        Action(
            method="DELETE", suffix="inventories/{resource_class}", rule=inventories.delete,
            allow=_ACTION_RULES["delete"], status=204,
        ),
        Action(
            method="GET", suffix="usages", rule=usages.used, allow=operates("resource_providers:usages"), status=200
        ),
        Action(
            method="GET", suffix="allocations", rule=usages.allocations, allow=operates(_rule("list", "allocations:")),
            status=200,
        ),
        Action(
            method="GET", suffix="aggregates", rule=associations.aggregates,
            allow=operates(_rule("list", "aggregates:")), status=200, since="1.1",
        ),
        Action(
            method="PUT", suffix="aggregates", rule=associations.set_aggregates,
            allow=operates(_rule("update", "aggregates:")), status=200, since="1.1",
        ),
        Action(
            method="GET", suffix="traits", rule=associations.traits, allow=operates(_rule("list", "traits:")),
            status=200, since="1.6",
        ),
        Action(
            method="PUT", suffix="traits", rule=associations.set_traits, allow=operates(_rule("update", "traits:")),
            status=200, since="1.6", body=[_GENERATION, Field(name="traits", kind=associations.TRAITS, required=True)],
        ),
        Action(
            method="DELETE", suffix="traits", rule=associations.delete_traits,
            allow=operates(_rule("delete", "traits:")), status=204, since="1.6",
        ),
    ],
    doc="What a host, a part of one, or something shared by several has to offer.",
)  # fmt: skip
