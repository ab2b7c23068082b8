"""What the image room binds at start: its store, the claims on images being written, the copies being made, and how
large an image may be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stackyard.kernel.work import Services
from stackyard.rooms.image.claims import Claims
from stackyard.rooms.image.driver import Store
from stackyard.rooms.image.fetches import Fetches

#: The room's name: what it binds, what its servers share with each other, and its repair go by it.
ROOM = "image"
#: Bytes; Glance's own `image_size_cap`.
LARGEST_IMAGE = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Vault:
    """Where this server keeps image data. `largest`: the most bytes one image may have."""

    store: Store
    claims: Claims
    fetches: Fetches = field(default_factory=Fetches)
    largest: int = LARGEST_IMAGE


def open_vault(services: Services, make_store: Callable[[Path], Store]) -> None:
    """Bind the vault below the cloud's state directory, with the store made there."""
    images = Path(services.settings.state_dir) / "images"
    largest = getattr(services.settings, "largest_image", LARGEST_IMAGE)
    claims = Claims(images / ".claims", services.database.locks)
    services.bound[ROOM] = Vault(store=make_store(images), claims=claims, largest=largest)


def vault(services: Services) -> Vault:
    """The vault bound at start."""
    bound: Vault = services.bound[ROOM]
    return bound


def staged(image_id: str) -> str:
    """The key under which data waits for its import."""
    return image_id + ".staged"
