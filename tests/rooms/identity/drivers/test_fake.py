"""The directory in memory keeps the contract."""

from typing import Any

import pytest

from stackyard.rooms.identity.drivers.fake import FakeDirectory, World
from stackyard.testing.directory import DirectoryConformance, Kit


class TestFakeDirectory(DirectoryConformance):
    @pytest.fixture
    def kit(self) -> Kit:
        world = World()

        def away(why: str) -> None:
            world.away = why

        def put(name: str, password: str) -> Any:
            return world.put(name, password)

        return Kit(
            directory=FakeDirectory(world), reopen=lambda: FakeDirectory(world), put=put,
            disable=lambda name: world.put(name, "", enabled=False), team=world.team, remove=world.remove,
            stop=lambda: away("it sleeps"), start=lambda: away(""),
        )  # fmt: skip
