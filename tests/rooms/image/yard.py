"""Images on several servers of one cloud: what tests send them, and what the servers have kept."""

from pathlib import Path
from typing import Any

import httpx

from stackyard.rooms.image.drivers.files import ID
from stackyard.testing.personas import Persona

IMAGES = "/image/v2/images"
OCTETS = {"Content-Type": "application/octet-stream"}


def made(persona: Persona, **attributes: Any) -> str:
    """A new image; its id."""
    body = {"name": "an image", "disk_format": "raw", "container_format": "bare", **attributes}
    return str(persona.post(IMAGES, body)["id"])


def uploaded(persona: Persona, data: bytes, **attributes: Any) -> str:
    """A new image with data; its id."""
    image_id = made(persona, **attributes)
    sent(persona, image_id, data)
    return image_id


def sent(persona: Persona, image_id: str, data: Any, path: str = "file") -> None:
    """Send an image's data."""
    answer = persona.http.put(f"{IMAGES}/{image_id}/{path}", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text


def got(persona: Persona, image_id: str, **headers: str) -> httpx.Response:
    """The answer to a download."""
    return persona.http.get(f"{IMAGES}/{image_id}/file", headers=headers)


def kept(folder: Path) -> list[str]:
    """What is in a server's store, whole or in part."""
    images = folder / "images"
    found = (each for each in images.rglob("*") if each.is_file() and each.name != ID)
    return sorted(str(each.relative_to(images)) for each in found if ".claims" not in each.parts)
