"""What `stackyard down` says when something stands in its way."""

import os
from pathlib import Path

import pytest

from stackyard.assemble import Host
from stackyard.cli.main import main
from stackyard.kernel.settings import Settings, load, save


def test_what_could_not_be_stopped_is_told_and_nothing_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(self: Host, grace: float) -> None:
        raise RuntimeError("the engine does not end")

    save(Settings(state_dir=tmp_path / "state"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Host, "stop", refuses)
    assert main(["down", "--purge", "--state", str(tmp_path / "state")]) == 2
    told = capsys.readouterr().err
    assert "the engine does not end" in told
    assert "Run it again" in told
    assert load(tmp_path / "state") is not None


def test_a_state_that_is_no_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main(["down", "--state", str(file)]) == 2
    assert capsys.readouterr().err == f"stackyard down: {file}/settings.json: Not a directory\n"
    assert main(["status", "--state", str(file)]) == 2
    assert f"no cloud runs in {file}" in capsys.readouterr().err
