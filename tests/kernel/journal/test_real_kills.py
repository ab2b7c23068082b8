"""A real process that kills itself (-9) at a step takes the object on where it was when it is started again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.kernel.journal import from_environment

# Each kill takes two processes.
pytestmark = pytest.mark.thorough

VICTIM = Path(__file__).with_name("victim.py")


def run(folder: Path, what: str, crash_at: str, database: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"STACKYARD_CRASH_AT": crash_at, "STACKYARD_CRASH_MARKER": str(folder / "crashed")}
    command = [sys.executable, str(VICTIM), str(folder), what, database]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("moment", "times"), [("before", 1), ("after_effect", 2), ("after_record", 1)], ids=["before", "effect", "record"]
)
def test_a_killed_server_goes_on_at_the_step_where_it_died(
    tmp_path: Path, database_url: str, moment: str, times: int
) -> None:
    crash_at = f"create:make the body:{moment}"
    died = run(tmp_path, "begin", crash_at, database_url)
    assert died.returncode == -signal.SIGKILL, died.stderr
    finished = run(tmp_path, "finish", crash_at, database_url)
    assert (finished.returncode, finished.stdout) == (0, "Ready"), finished.stderr
    assert len((tmp_path / "body").read_text().splitlines()) == times
    assert len((tmp_path / "wheels").read_text().splitlines()) == 1


def test_without_the_setting_there_is_no_hook_at_all() -> None:
    assert from_environment({}) is None


def test_a_moment_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="after_record"):
        from_environment({"STACKYARD_CRASH_AT": "create:make the body:sometime"})
