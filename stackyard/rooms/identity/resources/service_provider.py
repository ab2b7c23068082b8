"""Service providers: other clouds that take this one's word for who somebody is. Source: Identity API v3,
OS-FEDERATION, "Service Providers"."""

from stackyard.kernel.declare.kinds import Boolean, Text
from stackyard.kernel.declare.resource import Field, Resource, everyone
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow

#: Of what headers can hold: assertions go out with both addresses.
_URL = Text(min=1, max=256, pattern=r"[a-zA-Z0-9+.-]+:[!-~]+")

SERVICE_PROVIDER = Resource(
    name="service_provider",
    path="/v3/OS-FEDERATION/service_providers",
    table_name="identity_service_provider",
    id_from="path",
    unknown_fields="refuse",
    fields=[
        Field(name="id", kind=Text(min=1, max=64), create=False, update=False, doc="The service provider's id."),
        Field(name="auth_url", kind=_URL, required=True, doc="Where its identity service lets people log in."),
        Field(name="sp_url", kind=_URL, required=True, doc="Where it takes assertions."),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(name="enabled", kind=Boolean(), default=False, doc="Whether tokens name it."),
        Field(
            name="relay_state_prefix",
            kind=Text(max=256),
            default="ss:mem:",
            null=True,
            doc="What its RelayState begins with.",
        ),
    ],
    visible=everyone,
    policy={
        "list": allow("list_service_providers", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_service_provider", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_service_provider", ADMIN),
        "update": allow("update_service_provider", ADMIN),
        "delete": allow("delete_service_provider", ADMIN),
    },
    doc="A service provider is another cloud into which people of this one can go; tokens name those that are enabled.",
)
