"""A plain resource is one file: the page that says so is followed in a copy, and nothing that is shared is edited."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# It copies the tree and runs its tools as processes.
pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/extend/add-a-resource.md"


def _blocks() -> dict[str, str]:
    """The page's files: path → text. The network room names the page's path among those not offered yet; a resource
    that nobody has heard of is not, so here it has another."""
    text = PAGE.read_text().replace("/metering/metering-labels", "/metering/labels-of-a-test")
    return dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, re.DOTALL))


def _run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }


def test_adding_a_plain_resource_takes_one_declaration_and_changes_nothing_shared(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "stackyard", tmp_path / "stackyard", ignore=shutil.ignore_patterns("__pycache__"))
    before = _files(tmp_path / "stackyard")
    declaration, test = _blocks().items()
    for path, text in (declaration, test):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    _run(tmp_path, "-m", "stackyard.kernel.storage.migrations", "new", "network", "metering labels")
    after = _files(tmp_path / "stackyard")
    assert {name for name in before if after.get(name) != before[name]} == set(), "a file that was there has changed"
    assert {name.rpartition("/")[0] for name in set(after) - set(before)} == {
        "rooms/network/resources", "rooms/network/migrations",
    }  # fmt: skip
    assert len(after) == len(before) + 2
    _run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", test[0])
