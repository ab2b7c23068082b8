"""The server's log: JSON, whole lines, with the ids of what it is about; put aside when it is full."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import logging, os, sys
from pathlib import Path
from stackyard.kernel import logs

file = Path(sys.argv[1])
logs.MOST = 2000
reopen = logs.begin(file)
with logs.about(request_id="req-1", operation_id="op-1", user_id="u", project_id="p"):
    for number in range(30):
        logging.getLogger("x").info("line %s", number, extra={"ms": 1.5})
logging.getLogger("x").info("about nothing")
os.write(2, b"a crash of the interpreter\\n")
file.rename(file.with_name("aside"))
reopen()
print("after it was put aside", flush=True)
"""


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]


def test_a_log_is_put_aside_when_it_is_full_and_takes_what_the_process_prints(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "server.log"
    done = subprocess.run([sys.executable, "-c", PROGRAM, file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = sorted(each.name for each in file.parent.iterdir())
    assert names == ["aside", "server.log", "server.log.1", "server.log.2"]
    assert all(each.stat().st_size <= 2100 for each in file.parent.iterdir())
    assert {each.stat().st_mode & 0o777 for each in file.parent.iterdir()} == {0o600}
    told = [*lines(file.with_suffix(".log.2")), *lines(file.with_suffix(".log.1")), *lines(file.with_name("aside"))]
    assert [each["message"] for each in told] == [*(f"line {number}" for number in range(30)), "about nothing"]
    ids = {"request_id": "req-1", "operation_id": "op-1", "user_id": "u", "project_id": "p", "ms": 1.5}
    assert ids.items() <= told[0].items()
    assert "request_id" not in told[-1]
    assert file.with_name("aside").read_text().endswith("a crash of the interpreter\n")
    assert file.read_text() == "after it was put aside\n"
