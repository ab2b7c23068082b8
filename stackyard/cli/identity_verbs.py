"""What the running server answers to `stackyard identity keys | rotate-keys`."""

from collections.abc import Callable
from typing import Any

from stackyard.kernel.errors import BadRequest, Unavailable
from stackyard.kernel.work import Services
from stackyard.rooms.identity import rotation


def identity_verbs(services: Services) -> dict[str, Callable[[str], Any]]:
    """The verbs by name."""

    def rotate(use: str, compromised: bool) -> dict[str, str]:
        if "identity_keys" not in services.bound:
            raise Unavailable("The server is starting.", remedy="Try again when `stackyard status` says ready.")
        keys = rotation.keys_of(services)
        ring = next((each for each in (*keys.rings, keys.saml) if each.use == use), None)
        if ring is None:
            raise BadRequest(f"There are no keys of the use {use}.", field="use")
        rotation.rotate(services, ring, compromised=compromised)
        return {"use": use}

    return {
        "identity-keys": lambda _: rotation.told(services),
        "identity-rotate-keys": lambda use: rotate(use, False),
        "identity-replace-keys": lambda use: rotate(use, True),
    }
