"""The outcome of every listed test. A class whose set-up fails reports one failure: all its tests have failed then."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Outcome:
    """success, fail or skip, and why it is not success."""

    status: str
    reason: str = ""


@dataclass(frozen=True)
class Miss:
    """A listed test that did not pass, and why, in a few lines."""

    id: str
    status: str
    reason: str


@dataclass(frozen=True)
class Score:
    """What a run of a service's list came to."""

    service: str
    suite: str
    on: str
    listed: int
    passed: int
    missed: list[Miss]

    def save(self, folder: Path = RESULTS) -> None:
        """As <service>.json."""
        (folder / f"{self.service}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(service: str, folder: Path = RESULTS) -> "Score | None":
        """The last one saved; None when the list was never run."""
        try:
            read = json.loads((folder / f"{service}.json").read_text())
        except FileNotFoundError:
            return None
        return Score(**{**read, "missed": [Miss(**each) for each in read["missed"]]})


def missed(tests: Sequence[str], outcomes: Mapping[str, Outcome]) -> list[Miss]:
    """The listed tests that did not pass, in the list's order."""
    judged = ((test, _of(test, outcomes)) for test in tests)
    return [Miss(test, each.status, each.reason) for test, each in judged if each.status != "success"]


def _of(test: str, outcomes: Mapping[str, Outcome]) -> Outcome:
    """A test's own outcome, or that of its class's set-up, or that it never ran."""
    group = test.partition("[")[0].rpartition(".")[0]
    for name in (test, f"setUpClass ({group})", f"tearDownClass ({group})"):
        if name in outcomes:
            return Outcome(outcomes[name].status, short(outcomes[name].reason))
    return Outcome("fail", "It did not run.")


def short(reason: str, most: int = 500) -> str:
    """The last thing a traceback says: the error, without the way to it and without ids that change every time."""
    lines = reason.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("    ") or line.startswith('  File "')]
    said = " ".join(line.strip() for line in (lines[frames[-1] + 1 :] if frames else lines))
    said = re.sub(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", "<id>", said)
    said = re.sub(r"127\.0\.0\.1:\d+", "<cloud>", said)
    said = re.sub(r"(tempest-[A-Za-z0-9-]*?)-\d{6,}", r"\1-<n>", said)
    return said[:most]
