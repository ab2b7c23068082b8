"""OpenStack's own tests, a few of every service, unchanged, against a real cloud. The whole: bin/conformance."""

import subprocess
import sys

import pytest

from conformance import suite

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_the_quick_part_of_openstacks_own_suites_passes() -> None:
    assert (suite.ENVIRONMENT / "bin/tempest").exists(), "bin/setup --dev makes Tempest's environment"
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "--fast"], cwd=suite.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
