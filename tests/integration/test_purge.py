"""After `stackyard down --purge` the host is as it was, whatever had happened to the cloud before."""

import subprocess
import sys

import pytest

from tests.integration.lives import LIVES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.mark.parametrize("how", LIVES)
def test_after_a_purge_the_host_is_as_it_was(how: str) -> None:
    life = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.integration.lives", how]
    done = subprocess.run(life, capture_output=True, text=True, timeout=230)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ""
