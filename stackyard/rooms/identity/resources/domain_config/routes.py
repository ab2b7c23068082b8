"""A domain's configuration, whole and in parts. Source: Identity API v3, "Domain configuration"."""

from collections.abc import Iterator

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, ANYONE, allow
from stackyard.rooms.identity.resources.domain_config import rules

_OWN = "/v3/domains/{domain_id}/config"
_PARTS = ("", "/{group}", "/{group}/{option}")


def _part(part: str) -> Iterator[Route]:
    own = f"{_OWN}{part}"
    yield Route(method="GET", path=own, handler=rules.show, reads="database")
    yield Route(method="PATCH", path=own, handler=rules.change, allow=allow("update_domain_config", ADMIN))
    yield Route(method="DELETE", path=own, handler=rules.remove, status=204, allow=allow("delete_domain_config", ADMIN))
    yield Route(
        method="GET",
        path=f"/v3/domains/config{part}/default",
        handler=rules.show_default,
        reads="database",
        allow=allow("get_domain_config_default", ADMIN_OR_SYSTEM_READER),
    )


ROUTES = [
    Route(
        method="PUT",
        path=_OWN,
        handler=rules.replace,
        answers=(201,),
        allow=allow("create_domain_config", ADMIN),
    ),
    *(route for part in _PARTS for route in _part(part)),
]

#: Asked for by the handler: which of them depends on the group.
RULES: list[Allow] = [
    allow("get_domain_config", ADMIN_OR_SYSTEM_READER),
    allow("get_security_compliance_domain_config", ANYONE),
]
