"""Server processes under load, begun and ended. It imports nothing of Stackyard: what maps the same libraries as the
measured process would be counted with part of its memory."""

import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path(__file__).parent.parent
#: Below those that Linux gives to outgoing connections.
_PORTS = range(20_000, 32_768)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serving(which: str, folder: Path, port: int, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of bench/serving.py that answers; it ends with the block."""
    command = [sys.executable, "-m", "bench.serving", which, str(folder), str(port), *options]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the {which} server does not come up")
        yield process
    finally:
        process.stdin.close()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        process.wait(60)
