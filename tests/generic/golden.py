"""Golden files: what the code says of itself as text, reviewed by people and kept beside the module that makes it."""

import argparse
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.kernel.stage import Stage, stage


def text(folder: Path, lines: Callable[[Stage], Iterable[str]]) -> str:
    """What the code of now says, of a cloud in this folder."""
    with stage(folder) as staged:
        return "".join(f"{line}\n" for line in lines(staged))


def command(doc: str | None, golden: Path, current: Callable[[Path], str]) -> None:
    """Write the golden file, or show the text."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"to {golden.name}, for review")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        said = current(Path(folder))
    if asked.write:
        golden.write_text(said)
    else:
        print(said, end="")
