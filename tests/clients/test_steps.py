"""The demo's list of commands can be read by its two readers, and says the same to both."""

import subprocess

import pytest

from tests.clients.steps import STEPS, Step, demo, read

# Prints each step the way this file's reader sees it; the command words stay unexpanded but for what was kept.
SPEAK = """
say() { for word in "$@"; do printf '%s\\037' "$word"; done; echo; }
title() { say title "$@"; }
run() { say run "$@"; }
keep() { say keep "$@"; eval "$1=\\"a \\$1\\""; }
wait_for() { say wait_for "$@"; }
. "$1"
"""


def test_every_line_is_a_step_and_uses_only_what_was_kept_before() -> None:
    kept: dict[str, str] = {}
    for step in demo():
        step.filled(kept)
        if step.word == "keep":
            kept[step.name] = "x"
    assert kept, "the demo keeps at least the floating IP"


def test_the_shell_reads_the_same_steps_as_the_tests() -> None:
    spoken = subprocess.run(["sh", "-eu", "-c", SPEAK, "sh", STEPS], capture_output=True, text=True, check=True).stdout
    kept: dict[str, str] = {}
    expected = []
    for step in demo():
        named = [step.name] if step.word in {"keep", "wait_for"} else []
        expected.append([step.word, *named, *step.filled(kept)])
        if step.word == "keep":
            kept[step.name] = f"a {step.name}"
    assert [line.split("\x1f")[:-1] for line in spoken.splitlines()] == expected


def test_a_line_that_is_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="echo hello"):
        read("run ls\necho hello\n")


def test_a_name_that_was_never_kept_is_refused() -> None:
    with pytest.raises(KeyError):
        Step("run", ("curl", "http://$address/")).filled({})
