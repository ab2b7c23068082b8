"""What the image room binds at start: its store, the claims on images being written, and how large an image may be."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stackyard.kernel.work import Services
from stackyard.rooms.image.claims import Claims
from stackyard.rooms.image.driver import Store

#: Bytes; Glance's own `image_size_cap`.
LARGEST_IMAGE = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Vault:
    """Where image data is kept. `largest`: the most bytes one image may have."""

    store: Store
    claims: Claims
    largest: int = LARGEST_IMAGE


def open_vault(services: Services, make_store: Callable[[Path], Store]) -> None:
    """Bind the vault below the cloud's state directory, with the store made there."""
    images = Path(services.settings.state_dir) / "images"
    largest = getattr(services.settings, "largest_image", LARGEST_IMAGE)
    services.bound["image"] = Vault(store=make_store(images), claims=Claims(images / ".claims"), largest=largest)


def vault(services: Services) -> Vault:
    """The vault bound at start."""
    bound: Vault = services.bound["image"]
    return bound


def staged(image_id: str) -> str:
    """The key under which data waits for its import."""
    return image_id + ".staged"
