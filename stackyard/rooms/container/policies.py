"""Who may do what to containers: check strings by persona, and the rules' names as Zun's policy.yaml has them."""

from stackyard.kernel.declare.resource import Allow

READER = "role:admin or (role:reader and project_id:%(project_id)s)"
MEMBER = "role:admin or (role:member and project_id:%(project_id)s)"
ADMIN = "role:admin"
NOBODY = "!"


def reads(action: str, kind: str = "container") -> Allow:
    """A rule that readers of the project pass."""
    return Allow(f"{kind}:{action}", READER)


def writes(action: str, kind: str = "container") -> Allow:
    """A rule that members of the project pass."""
    return Allow(f"{kind}:{action}", MEMBER)


def administers(action: str, kind: str = "container") -> Allow:
    """A rule that only administrators pass."""
    return Allow(f"{kind}:{action}", ADMIN)
