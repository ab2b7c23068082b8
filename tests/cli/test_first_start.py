"""What an operator chooses at the first start: refused at once when it cannot be, kept when it can."""

import argparse
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from stackyard.cli.choices import settle
from stackyard.cli.main import main, parser
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import load
from stackyard.testing.cloud import free_port


def asked(state: Path, *words: str) -> argparse.Namespace:
    mine = ["--port", str(free_port()), "--external-cidr", "240.0.0.0/24"]  # a range that no host can have
    return parser().parse_args(["up", "--state", str(state), *mine, *words])


def test_what_is_chosen_at_the_first_start_is_kept(tmp_path: Path) -> None:
    first = settle(asked(tmp_path / "state", "--region", "North", "--external-cidr", "198.51.100.0/24"))
    again = settle(parser().parse_args(["up", "--state", str(tmp_path / "state")]))
    assert again == first
    assert (again.region, again.external_cidr) == ("North", "198.51.100.0/24")


def test_the_state_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    settle(asked(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "settings.json").stat().st_mode & 0o777 == 0o600


def test_another_choice_later_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    first = settle(asked(tmp_path / "state", "--region", "North"))
    for option, value, told in (("--region", "South", "with --region North"), ("--public-url", "https://x", "without")):
        with pytest.raises(CommandFailed, match=told):
            settle(parser().parse_args(["up", "--state", str(tmp_path / "state"), option, value]))
    assert load(tmp_path / "state") == first


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--external-cidr", "banana"], "like 203.0.113.0/24"),
        (["--external-cidr", "203.0.113.7/24"], "host bits"),
        (["--external-cidr", "203.0.113.1"], "at least /28"),
        (["--external-cidr", "2001:db8::/64"], "IPv4"),
        (["--external-cidr", "127.0.0.0/24"], "127.0.0.1 in it is this machine's own on lo"),
        (["--engine", "tcp://127.0.0.1:2375"], "unix:///path"),
        (["--engine", "unix:///nowhere/docker.sock"], "no socket /nowhere/docker.sock"),
        (["--host", "0.0.0.0"], "--public-url"),
        (["--host", "192.0.2.200"], "cannot listen on 192.0.2.200"),
        (["--public-url", "cloud.example.org"], "like https://"),
        (["--port", "70000"], "1 to 65535"),
        (["--tls-client-ca", "/etc/hostname"], "--tls-client-ca needs --tls"),
        (["--tls", "--tls-client-ca", "/nowhere.pem"], "--tls-client-ca /nowhere.pem: .*No such file"),
        (["--tls", "--tls-client-ca", "/etc/hostname"], "--tls-client-ca /etc/hostname: "),
        (["--audit", "syslog"], "write log, file:/absolute/path, or a URL"),
        (["--audit", "file:here"], "write log, file:/absolute/path, or a URL"),
        (["--traces", "collector:4318"], "write it like http://"),
        (["--drain", "-1"], "from 0 to 600"),
        (["--services", "keystone"], "--services keystone: there is no service 'keystone'; there are: all, identity"),
        (["--services", "identity,container"], "container needs placement and image and network too"),
        (["--services", "identity", "--nodes", "127.0.0.1:1"], "none of identity has use for other machines"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(CommandFailed, match=told):
        settle(asked(tmp_path / "state", *words))
    assert not (tmp_path / "state").exists()


def test_a_port_that_is_taken_is_named_and_another_can_be_chosen(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(CommandFailed, match=f"port {port}.*another --port"):
            settle(asked(tmp_path / "state", "--port", port))
    assert settle(asked(tmp_path / "state")).port != int(port)


def test_a_folder_that_holds_anything_else_never_becomes_a_cloud_that_a_purge_would_delete(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(CommandFailed, match="holds files, but no cloud"):
        settle(asked(tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_further_server_is_given_the_clouds_secret_and_first_passwords_before_its_first_start(tmp_path: Path) -> None:
    for name in ("cloud.secret", "clouds.yaml"):
        (tmp_path / name).write_text("of the first server")
    settle(asked(tmp_path))
    assert (tmp_path / "cloud.secret").read_text() == "of the first server"


def test_rules_for_passwords_and_the_form_of_tokens_can_be_chosen_at_any_start(tmp_path: Path) -> None:
    settle(asked(tmp_path / "state", "--security-compliance", "lockout_failure_attempts=5"))
    more = ["--security-compliance", "password_expires_days=90", "--token-provider", "jws"]
    settle(parser().parse_args(["up", "--state", str(tmp_path / "state"), *more]))
    settle(parser().parse_args(["up", "--state", str(tmp_path / "state")]))
    kept = load(tmp_path / "state")
    assert kept is not None
    rules = kept.security_compliance
    assert (rules.lockout_failure_attempts, rules.password_expires_days, kept.token_provider) == (5, 90, "jws")
    settle(
        parser().parse_args(
            ["up", "--state", str(tmp_path / "state"), "--security-compliance", "password_expires_days="]
        )
    )
    ended = load(tmp_path / "state")
    assert ended is not None
    assert ended.security_compliance.password_expires_days is None


def test_services_can_be_chosen_at_any_start_and_what_begins_to_be_served_is_checked(tmp_path: Path) -> None:
    state = tmp_path / "state"
    # Nothing of a host is looked at for identity: not the range, not the engine.
    first = ["--services", "identity", "--external-cidr", "127.0.0.0/24", "--engine", "unix:///nowhere.sock"]
    assert settle(asked(state, *first)).services == ["identity"]
    for services, told in (("identity,network", "127.0.0.1 in it is"), ("identity,container", "container needs")):
        with pytest.raises(CommandFailed, match=told):
            settle(parser().parse_args(["up", "--state", str(state), "--services", services]))
    assert settle(parser().parse_args(["up", "--state", str(state), "--services", "identity,image"])).services == [
        "identity", "image",
    ]  # fmt: skip
    kept = load(state)
    assert kept is not None
    assert kept.services == ["identity", "image"]


def test_a_cloud_without_containers_and_networks_is_anybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    settle(asked(state, "--services", "identity,image"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["up", "--state", str(state), "--services", "all"]) == 2
    assert "run it as root" in capsys.readouterr().err
    assert main(["down", "--purge", "--state", str(state)]) == 0
    assert not state.exists()


def test_what_the_cloud_has_on_the_host_from_before_needs_root_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    settle(asked(state, "--services", "identity"))
    (state / "network").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["down", "--purge", "--state", str(state)]) == 2
    assert "run it as root" in capsys.readouterr().err
    assert state.exists()


def test_a_state_folder_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="too long"):
        settle(asked(tmp_path / ("x" * 100)))


def test_what_changes_the_host_needs_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    state = ["--state", str(tmp_path / "state")]
    assert main(["up", *state]) == 2
    assert "run it as root" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    settle(asked(tmp_path / "state"))
    assert main(["down", "--purge", *state]) == 2
    assert "run it as root" in capsys.readouterr().err
    assert load(tmp_path / "state") is not None


@pytest.mark.parametrize("words", [["status"], ["why", "x"], ["check"], ["reconcile", "--once", "network"]])
def test_without_a_cloud_every_question_says_how_to_start_one(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--state", str(tmp_path)]) == 2
    assert f"stackyard up --state {tmp_path}" in capsys.readouterr().err


def test_down_without_a_cloud_is_done_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["down", "--purge", "--state", str(tmp_path)]) == 0
    assert "no cloud" in capsys.readouterr().out


def test_a_socket_of_somebody_else_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert main(["status", "--state", str(tmp_path)]) == 2
    assert "belongs to another user" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["up"], ["down"], ["serve"], ["status"], ["why"], ["check"], ["reconcile"]])
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "usage: stackyard" in capsys.readouterr().out
