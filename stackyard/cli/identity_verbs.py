"""What the running server answers to `stackyard identity keys | rotate-keys | metadata`."""

from collections.abc import Callable
from typing import Any

from stackyard.kernel.errors import BadRequest, Unavailable
from stackyard.kernel.work import Services
from stackyard.rooms.identity import rotation


def identity_verbs(services: Services) -> dict[str, Callable[[str], Any]]:
    """The verbs by name."""

    def ready() -> None:
        if "identity_keys" not in services.bound:
            raise Unavailable("The server is starting.", remedy="Try again when `stackyard status` says ready.")

    def metadata(way: str) -> dict[str, str]:
        # Imported here because most servers are never asked.
        from stackyard.rooms.identity.resources.federation.introduction import introduction

        ready()
        provider_id, _, protocol_id = way.partition("/")
        return {"metadata": introduction(services, provider_id, protocol_id).decode()}

    def rotate(use: str, compromised: bool) -> dict[str, str]:
        ready()
        keys = rotation.keys_of(services)
        ring = next((each for each in (*keys.rings, *keys.certified) if each.use == use), None)
        if ring is None:
            raise BadRequest(f"There are no keys of the use {use}.", field="use")
        rotation.rotate(services, ring, compromised=compromised)
        return {"use": use}

    return {
        "identity-keys": lambda _: rotation.told(services),
        "identity-rotate-keys": lambda use: rotate(use, False),
        "identity-replace-keys": lambda use: rotate(use, True),
        "identity-metadata": metadata,
    }
