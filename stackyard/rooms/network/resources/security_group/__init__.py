"""Security groups and their rules.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.security_group.resource import SECURITY_GROUP, SECURITY_GROUP_RULE

__all__ = ["SECURITY_GROUP", "SECURITY_GROUP_RULE"]
