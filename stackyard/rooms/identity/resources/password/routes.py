"""Changing one's own password: whoever knows the old one may, with or without a token."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.resources.password import change

ROUTES = [
    Route(
        method="POST",
        path="/v3/users/{user_id}/password",
        handler=change.change,
        token="none",
        reads="driver",
        status=204,
        answers=[429],
    )
]
