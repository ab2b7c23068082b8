"""A first cloud does not run all migrations: a database that is migrated already is kept for it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.testing import prepared

pytestmark = pytest.mark.thorough

_CLOUD = """
import json, sys
from pathlib import Path
from stackyard.testing.cloud import cloud
with cloud(Path(sys.argv[1])) as running:
    networks = running.demo.get("/networking/v2.0/networks")["networks"]
    print(json.dumps({"alembic": "alembic" in sys.modules, "networks": len(networks)}))
"""


def _in_a_process(folder: Path, cache: Path) -> dict[str, object]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _CLOUD, str(folder)], env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_only_the_first_process_runs_migrations(tmp_path: Path) -> None:
    first = _in_a_process(tmp_path / "one", tmp_path / "cache")
    [kept] = (tmp_path / "cache" / "stackyard").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    second = _in_a_process(tmp_path / "two", tmp_path / "cache")
    assert (first["alembic"], second["alembic"]) == (True, False)
    assert first["networks"] == second["networks"]


def test_where_nothing_can_be_kept_a_cloud_comes_up_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    assert _in_a_process(tmp_path / "one", tmp_path / "cache")["alembic"] is True


def test_the_database_of_other_migrations_is_another_and_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = prepared.kept_file()
    prepared._keep(before, b"old")
    monkeypatch.setattr(prepared, "__version__", "0.0")
    after = prepared.kept_file()
    assert after != before
    prepared._keep(after, b"new")
    assert [each.read_bytes() for each in after.parent.iterdir()] == [b"new"]
