"""Which tests count: one file of test ids per service, beside this module in lists/."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Service:
    """A service of OpenStack. `room`: the room that offers it here, empty while none does."""

    name: str
    project: str
    room: str = ""

    @property
    def tests(self) -> list[str]:
        """The ids of its tests."""
        return read(HERE / "lists" / f"{self.name}.txt")


SERVICES = (
    Service("identity", "Keystone", "identity"),
    Service("image", "Glance", "image"),
    Service("network", "Neutron", "network"),
    Service("container", "Zun", "container"),
    Service("volume", "Cinder"),
    Service("compute", "Nova"),
    Service("object_store", "Swift"),
    Service("orchestration", "Heat"),
)
OFFERED = tuple(each for each in SERVICES if each.room)


def fast() -> list[str]:
    """The ids of the quick look: a few tests of every service offered."""
    return read(HERE / "lists" / "fast.txt")


def read(path: Path) -> list[str]:
    """The lines of a file that are neither empty nor a comment."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
