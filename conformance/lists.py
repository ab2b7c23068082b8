"""Which tests count: one file of test ids per service, beside this module in lists/."""

from collections.abc import Sequence
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
    Service("identity_rbac", "Keystone's plugin", "identity"),
    Service("image", "Glance", "image"),
    Service("network", "Neutron", "network"),
    Service("container", "Zun", "container"),
    Service("volume", "Cinder"),
    Service("compute", "Nova"),
    Service("object_store", "Swift"),
    Service("orchestration", "Heat"),
)
#: The microversion that a test is written for, when it is not the newest: the container suite skips it at any other.
OLDER = {"test_commit_container": "1.39", "test_put_and_get_archive_from_container": "1.24"}
NEWEST = "1.40"
OFFERED = tuple(each for each in SERVICES if each.room)


def fast() -> list[str]:
    """The ids of the quick look: a few tests of every service offered."""
    return read(HERE / "lists" / "fast.txt")


def rounds(tests: Sequence[str]) -> dict[str, list[str]]:
    """The tests by the container microversion they are run at, the newest first."""
    found: dict[str, list[str]] = {}
    for test in tests:
        name = test.partition("[")[0].rpartition(".")[2]
        found.setdefault(OLDER.get(name, NEWEST) if "zun_tempest_plugin" in test else NEWEST, []).append(test)
    return dict(sorted(found.items(), reverse=True))


def read(path: Path) -> list[str]:
    """The lines of a file that are neither empty nor a comment."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
