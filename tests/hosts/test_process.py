"""Processes are told apart by what they run."""

import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from stackyard.hosts import process
from stackyard.hosts.process import Process


@pytest.fixture
def sleeper() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    mark = uuid.uuid4().hex
    command = ["sh", "-c", "trap '' TERM; echo; read nothing", mark]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child, mark
        child.kill()


def test_a_process_is_found_by_its_command_line_and_ended(sleeper: tuple[subprocess.Popen[bytes], str]) -> None:
    child, mark = sleeper
    (found,) = process.running(lambda line: mark in line)
    with found:
        assert found.pid == child.pid
        assert not found.leads_session()
        assert not found.wait(0)
        found.end(grace=0.2)
        assert found.wait(0)
        found.signal(signal.SIGTERM)
    assert list(process.running(lambda line: mark in line)) == []


def test_a_process_that_is_gone_cannot_be_opened() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert Process.open(child.pid) is None
