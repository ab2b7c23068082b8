"""bin/conformance: run OpenStack's own test suites against a cloud made for the purpose, and tell how many pass."""

import argparse
import datetime
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from conformance import lists, page, suite
from conformance.lists import OFFERED, Service
from conformance.score import RESULTS, Miss, Outcome, Score, missed
from conformance.world import world

#: Seconds that a list may take: far more than any of them needs on two cores.
LIMIT = 1500


def parser() -> argparse.ArgumentParser:
    """The command line."""
    asked = argparse.ArgumentParser(prog="bin/conformance", description=__doc__)
    names = [each.name for each in OFFERED]
    asked.add_argument("--service", choices=names, action="append", help="only this one (may be given again)")
    asked.add_argument("--only", metavar="REGEX", help="only the tests whose id matches; nothing is recorded")
    asked.add_argument("--fast", action="store_true", help="a few tests of every service; nothing is recorded")
    asked.add_argument("--list", action="store_true", help="print the ids and run nothing")
    asked.add_argument("--page", action="store_true", help="write docs/conformance.md anew and run nothing")
    asked.add_argument("--logs", type=Path, metavar="FOLDER", help="keep Tempest's workspace and the server's log")
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every listed test passed. 1: some did not."""
    asked = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    chosen = [each for each in OFFERED if not asked.service or each.name in asked.service]
    if asked.page:
        page.write()
        return 0
    if asked.list:
        print(*(test for each in chosen for test in _tests(each, asked)), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="sy-conformance-") as scratch:
        return 0 if _run(asked, chosen, asked.logs.absolute() if asked.logs else Path(scratch)) else 1


def _leave(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C: the cloud is purged on the way out."""
    raise SystemExit(128 + number)


def _tests(service: Service, asked: argparse.Namespace) -> list[str]:
    chosen = lists.fast() if asked.fast else service.tests
    return [each for each in service.tests if each in chosen and (not asked.only or re.search(asked.only, each))]


def _run(asked: argparse.Namespace, services: Sequence[Service], folder: Path) -> bool:
    """One cloud, one run of Tempest after another; whether all passed."""
    batches = {each.name: tests for each in services if (tests := _tests(each, asked))}
    if asked.fast:
        batches = {"fast": [test for tests in batches.values() for test in tests]}
    found: list[Miss] = []
    with world(
        folder, containers=any("zun_tempest_plugin" in each for tests in batches.values() for each in tests)
    ) as made:
        for name, tests in batches.items():
            began = time.monotonic()
            misses = missed(tests, _outcomes(folder / name, made.marks, tests))
            print(f"{name}: {len(tests) - len(misses)}/{len(tests)} in {time.monotonic() - began:.0f} s", flush=True)
            if asked.fast or asked.only:
                print(*(f"  {each.status} {each.id}\n    {each.reason}" for each in misses), sep="\n")
            else:
                _record(name, tests, misses)
            found += misses
        if asked.logs:
            shutil.copyfile(made.cloud.settings.state_dir / "logs/server.log", folder / "server.log")
    return not found


def _outcomes(folder: Path, marks: Mapping[str, str], tests: Sequence[str]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for version, some in lists.rounds(tests).items():
        workspace = folder / version
        suite.configure(workspace, {**marks, "WORKSPACE": str(workspace), "CONTAINER_VERSION": version})
        found |= suite.run(workspace, some, LIMIT)
    return found


def _record(name: str, tests: Sequence[str], misses: list[Miss]) -> None:
    """Keep the result, and make the page say it."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    Score(name, f"Tempest {suite.version()}", today, len(tests), len(tests) - len(misses), misses).save(RESULTS)
    page.write()
    print(f"  failing ids and reasons: {RESULTS / name}.json", flush=True)


if __name__ == "__main__":
    sys.exit(main())
