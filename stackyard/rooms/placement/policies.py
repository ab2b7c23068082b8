"""Who may do what in the placement room, in oslo.policy's language. Names and defaults are Placement's (2025.1)."""

from stackyard.kernel.declare.resource import Allow

#: The rules that Placement's policy files build on.
BASE = [
    Allow("admin_api", "role:admin"),
    Allow("service_api", "role:service"),
    Allow("admin_or_service_api", "role:admin or role:service"),
    Allow("project_reader_api", "role:reader and project_id:%(project_id)s"),
    Allow("admin_or_project_reader_or_service_api", "role:admin or rule:project_reader_api or role:service"),
]


def operates(action: str) -> Allow:
    """A rule that administrators and other services pass."""
    return Allow(f"placement:{action}", "rule:admin_or_service_api")


TOTAL_USAGES = Allow("placement:usages", "rule:admin_or_project_reader_or_service_api")
RESHAPE = Allow("placement:reshaper:reshape", "rule:service_api")
