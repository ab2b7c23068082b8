"""Who may do what in the network room, in oslo.policy's language. Names and defaults are Neutron's (2025.1)."""


from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Allow

ADMIN = "role:admin"
ADMIN_OR_SERVICE = "role:admin or role:service"
OWNER_READS = "role:admin or role:service or (role:reader and project_id:%(project_id)s)"
OWNER_WRITES = "role:admin or (role:member and project_id:%(project_id)s)"
#: For what lies on a network: the network's owner, whoever owns the object.
NETWORK_OWNER = "role:admin or role:service or (role:member and project_id:%(network_project_id)s)"
ANYONE = "role:admin or role:reader or role:service"


def verbs(noun: str, *, read: str = OWNER_READS, write: str = OWNER_WRITES) -> dict[str, Allow]:
    """The rules of the standard verbs: get_<noun>, create_<noun>, update_<noun>, delete_<noun>."""
    return {
        "list": Allow(f"get_{noun}", read),
        "show": Allow(f"get_{noun}", read),
        "create": Allow(f"create_{noun}", write),
        "update": Allow(f"update_{noun}", write),
        "delete": Allow(f"delete_{noun}", write),
    }


def sees_all(caller: Caller) -> bool:
    """Whether rows of every project are the caller's business: administrators and other services."""
    return caller.is_admin or "service" in caller.roles
