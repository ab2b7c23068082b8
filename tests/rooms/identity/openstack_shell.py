"""Runs in the clients' environment: the `openstack` command again and again in one process, which starts only once.

Reads a JSON list of words a line; answers each with a line [status, stdout, stderr].
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from openstackclient.shell import OpenStackShell


def run(words: list[str]) -> tuple[int, str, str]:
    """One command: its exit status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = OpenStackShell().run(words)
        except SystemExit as left:
            status = int(left.code or 0)
    # `federation protocol set` returns what it would show: the client's slip, and no failure.
    return status if isinstance(status, int) else 0, out.getvalue(), err.getvalue()


for line in sys.stdin:
    answer = json.dumps(run(json.loads(line)))
    sys.stdout.write(answer + "\n")
    sys.stdout.flush()
