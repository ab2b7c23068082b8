"""Processes told apart by what they run, never by a number that may have been given to another one since."""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self


class Process:
    """A handle on one live process. It stays bound to that very process even when the pid is given to another."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle

    @classmethod
    def open(cls, pid: int) -> Self | None:
        """None when no such process is alive."""
        try:
            return cls(pid, os.pidfd_open(pid))
        except ProcessLookupError:
            return None

    def leads_session(self) -> bool:
        """Whether it is the first of its session, as daemons are; False once it is gone."""
        try:
            return os.getsid(self.pid) == self.pid
        except ProcessLookupError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, or did so within `timeout` seconds. A zombie has ended; our own child is reaped."""
        ended = bool(select.select([self._handle], [], [], timeout)[0])
        if ended:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        return ended

    def end(self, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds (0: at once). TimeoutError if it survives even that for 5 s."""
        if grace:
            self.signal(signal.SIGTERM)
        if not self.wait(grace):
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for the end. TimeoutError after five seconds."""
        self.signal(signal.SIGKILL)
        if not self.wait(5):
            raise TimeoutError(f"process {self.pid} survives SIGKILL")

    def close(self) -> None:
        """Let go of the handle; done by itself when nobody refers to it any more."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty for a zombie, a kernel thread or one that is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").rstrip("\0").split("\0") if raw else []


def running(matches: Callable[[list[str]], bool]) -> Iterator[Process]:
    """Every live process whose command line `matches`. The caller closes what it is given."""
    for entry in os.listdir("/proc"):
        line = command_line(int(entry)) if entry.isdigit() else []
        if not line or not matches(line):
            continue
        process = Process.open(int(entry))
        if process is None:
            continue
        if command_line(process.pid) == line:  # still the same one, now that the handle pins it
            yield process
        else:
            process.close()
