"""A real engine for the tests of this folder: private, named after this run, and purged whatever happens."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.hosts.dockerd import PrivateEngine


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    with tempfile.TemporaryDirectory(prefix="sy-") as directory:  # short: sockets' paths are limited
        cloud = f"drv{os.getpid()}"
        private = PrivateEngine(cloud, data=Path(directory, "data"), run=Path(directory, "run"))
        try:
            private.start().wait_ready(within=60)
            yield private
        finally:
            private.purge()
