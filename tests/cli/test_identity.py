"""`stackyard identity keys | rotate-keys | password-cost`, through the operator's socket."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.cli.main import main
from stackyard.kernel.operate import Operate
from stackyard.kernel.settings import save
from tests.rooms.identity.cloud import Cloud


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A seeded identity room, and its operator's door."""
    cloud = Cloud(tmp_path_factory.mktemp("s"))
    cloud.seed()
    save(cloud.settings)
    app = Operate(identity_verbs(cloud.services))
    config = uvicorn.Config(app, uds=str(cloud.settings.operator_socket), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    yield cloud
    server.should_exit = True
    thread.join(30)
    cloud.close()


def told(running: Cloud, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["identity", *words, "--state", str(running.settings.state_dir)]) == 0
    return capsys.readouterr().out


def test_keys_are_shown_and_rotated_while_the_server_runs(running: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(told(running, capsys, "keys", "--json"))
    assert {each["use"] for each in before} == {"token", "jws", "credential"}
    token = running.token("demo")
    assert told(running, capsys, "rotate-keys").splitlines() == [
        f"the {use} keys were rotated" for use in ("token", "jws", "credential")
    ]
    assert running.ask("GET", "/v3/auth/projects", token=token).status_code == 200
    lines = told(running, capsys, "keys").splitlines()
    assert sum("secondary" in line for line in lines) == 3
    assert not any("sealed" in line for line in lines)
    assert "replaced" in told(running, capsys, "rotate-keys", "--use", "token", "--compromised")
    assert running.ask("GET", "/v3/auth/projects", token=token).status_code == 401


def test_a_cloud_that_does_not_run_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identity", "rotate-keys", "--state", str(tmp_path)]) == 2
    assert "no cloud runs" in capsys.readouterr().err
    assert main(["identity", "password-cost", "--state", str(tmp_path)]) == 2
    assert "there is no cloud" in capsys.readouterr().err


def test_the_cost_of_a_password_is_printed(running: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cost = json.loads(told(running, capsys, "password-cost", "--json"))
    assert (cost["cost"], cost["milliseconds"] > 0) == (running.settings.password_cost, True)
    assert "OWASP" in told(running, capsys, "password-cost")
