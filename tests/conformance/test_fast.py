"""OpenStack's own tests, a few of every service, unchanged, against a real cloud. The whole: bin/conformance."""

import subprocess
import sys

import pytest

from conformance import suite

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_the_quick_part_of_openstacks_own_suites_passes() -> None:
    assert (suite.ENVIRONMENT / "bin/tempest").exists(), "bin/setup --dev makes Tempest's environment"
    with subprocess.Popen(
        [sys.executable, "-m", "conformance", "--fast"], cwd=suite.ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        try:
            said, _ = running.communicate(timeout=200)
        finally:
            running.terminate()  # it purges its cloud before it ends
        assert running.returncode == 0, said
