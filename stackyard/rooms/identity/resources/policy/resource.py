"""Policies. Source: Identity API v3, "Policies" and "OS-ENDPOINT-POLICY"."""

from collections.abc import Iterator

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Action, Field, Id, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.policy import rules

_EXTENSION = "OS-ENDPOINT-POLICY"


def _associations(rule: str, path: str, *names: str) -> Iterator[Action]:
    kind, suffix = rules.Association(names), f"{_EXTENSION}/{path}"
    name = f"policy_association_for_{rule}"
    yield Action(method="PUT", suffix=suffix, rule=kind.associate, status=204, allow=allow(f"create_{name}", ADMIN))
    yield Action(
        method="GET", suffix=suffix, rule=kind.check, status=204, allow=allow(f"check_{name}", ADMIN_OR_SYSTEM_READER)
    )
    yield Action(method="DELETE", suffix=suffix, rule=kind.dissociate, status=204, allow=allow(f"delete_{name}", ADMIN))


POLICY = Resource(
    name="policy",
    plural="policies",
    path="/v3/policies",
    table_name="identity_policy",
    fields=[
        Id(hex=True),
        Field(name="blob", kind=Text(max=None), required=True, filter=False, sort=False, doc="The text itself."),
        Field(name="type", kind=Text(max=255), required=True, doc="The media type of the text."),
        fields.Extra(),
    ],
    visible=everyone,
    policy={
        "list": allow("list_policies", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_policy", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_policy", ADMIN),
        "update": allow("update_policy", ADMIN),
        "delete": allow("delete_policy", ADMIN),
    },
    delete=rules.delete,
    actions=[
        Action(
            method="GET",
            suffix=f"{_EXTENSION}/endpoints",
            rule=rules.list_endpoints,
            status=200,
            allow=allow("list_endpoints_for_policy", ADMIN_OR_SYSTEM_READER),
        ),
        *_associations("endpoint", "endpoints/{endpoint_id}", "endpoint_id"),
        *_associations("service", "services/{service_id}", "service_id"),
        *_associations("region_and_service", "services/{service_id}/regions/{region_id}", "service_id", "region_id"),
    ],
    doc="A policy is a text that services may fetch: the cloud itself does not read it.",
)
