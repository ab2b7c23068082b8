"""Where EC2 credentials are, and where services ask about signatures. Source: Identity API v3, "OS-EC2"; Keystone's
s3tokens. The handlers ask policy with the credential as target."""

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.rooms.identity.policies import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    EVERY_SCOPE,
    OWNER,
    SERVICE_OR_ADMIN,
    allow,
    either,
)
from stackyard.rooms.identity.resources.ec2 import handlers, tokens

_PATH = "/v3/users/{user_id}/credentials/OS-EC2"
_CREDENTIALS_OWNER = "user_id:%(target.credential.user_id)s"
_WRITE = either(ADMIN, f"(role:member and {_CREDENTIALS_OWNER})")

ROUTES = [
    Route(
        method="GET",
        path=_PATH,
        handler=handlers.listed,
        allow=allow("ec2_list_credentials", either(ADMIN_OR_SYSTEM_READER, OWNER)),
        doc="A user's EC2 credentials.",
    ),
    Route(method="POST", path=_PATH, handler=handlers.create, status=201, doc="A new EC2 credential for a project."),
    Route(method="GET", path=f"{_PATH}/{{access}}", handler=handlers.show, doc="One by its access key."),
    Route(method="DELETE", path=f"{_PATH}/{{access}}", handler=handlers.delete, status=204, doc="Delete it."),
    Route(
        method="POST",
        path="/v3/ec2tokens",
        handler=tokens.ec2,
        reads="driver",
        allow=allow("ec2tokens_validate", SERVICE_OR_ADMIN, EVERY_SCOPE),
        doc="A token for whoever signed a request to an EC2 API.",
    ),
    Route(
        method="POST",
        path="/v3/s3tokens",
        handler=tokens.s3,
        reads="driver",
        allow=allow("s3tokens_validate", SERVICE_OR_ADMIN, EVERY_SCOPE),
        doc="A token for whoever signed a request to an S3 API.",
    ),
]

RULES: list[Allow] = [
    allow("ec2_get_credential", either(ADMIN_OR_SYSTEM_READER, _CREDENTIALS_OWNER)),
    allow("ec2_create_credential", _WRITE),
    allow("ec2_delete_credential", _WRITE),
]
