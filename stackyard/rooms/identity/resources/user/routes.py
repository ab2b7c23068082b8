"""Changing one's own password: whoever knows the old one may, with or without a token."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.resources.user import password

ROUTES = [
    Route(
        method="POST",
        path="/v3/users/{user_id}/password",
        handler=password.change,
        token="none",
        reads="driver",
        status=204,
    )
]
