"""Reads bin/demo.steps, the demo's commands, for tests that run the same ones and confirm what each has done."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

# A whole word or a part of an address; a container's own $(…) is for the shell inside it.
KEPT = re.compile(r"(^|/)\$[a-z]")
STEPS = Path(__file__).parents[2] / "bin" / "demo.steps"


@dataclass(frozen=True)
class Step:
    """One line. `word`: title, run, keep or wait_for. `name`: what keep names its output, or the output awaited."""

    word: str
    command: tuple[str, ...]
    name: str = ""

    def filled(self, kept: Mapping[str, str]) -> list[str]:
        """The command with what earlier steps kept in the place of $name. KeyError: nothing of that name was kept."""
        return [Template(word).substitute(kept) if KEPT.search(word) else word for word in self.command]


def read(text: str) -> list[Step]:
    """The steps in order. ValueError: a line that is none of the four."""
    lines = (shlex.split(line) for line in text.splitlines() if line and not line.startswith("#"))
    return [_step(words) for words in lines]


def _step(words: list[str]) -> Step:
    match words:
        case ["title", _]:
            return Step("title", tuple(words[1:]))
        case ["run", _, *_]:
            return Step("run", tuple(words[1:]))
        case ["keep" | "wait_for" as word, name, _, *_]:
            return Step(word, tuple(words[2:]), name)
    raise ValueError(f"none of title, run, keep and wait_for: {shlex.join(words)}")


def demo() -> list[Step]:
    """The demo's own."""
    return read(STEPS.read_text())
