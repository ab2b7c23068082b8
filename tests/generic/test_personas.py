"""Every route × every persona answers as the reviewed matrix says."""

import difflib
from pathlib import Path

from tests.generic.matrix import GOLDEN, current


def test_every_route_admits_whom_the_matrix_names(tmp_path: Path) -> None:
    found, golden = current(tmp_path), GOLDEN.read_text()
    changed = "\n".join(
        line for line in difflib.unified_diff(golden.splitlines(), found.splitlines(), "reviewed", "now", "", "", 0, "")
        if not line.startswith("@@")
    )  # fmt: skip
    assert not changed, (
        "who may call what has changed:\n"
        f"{changed}\n"
        "If that is meant: .venv/bin/python -m tests.generic.matrix --write, and review the diff before committing it."
    )


def test_nothing_but_what_says_so_is_open_without_a_token() -> None:
    lines = [line for line in GOLDEN.read_text().splitlines() if line.endswith("] everyone")]
    # Discovery documents, logging in, and the extensions list, which Neutron's clients read first.
    rest = [line for line in lines if not any(word in line for word in ("/auth/", "/extensions", "versions", "[-]"))]
    assert rest == []
