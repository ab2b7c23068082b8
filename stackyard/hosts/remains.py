"""What programs leave behind on a host, found and taken away: mounts, control groups, directories of others."""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import time
from pathlib import Path

from stackyard.hosts.process import Process

_MARK = "trusted.stackyard."
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _mounts() -> list[tuple[str, str]]:
    """(mount point, file system type) of every mount, in mounting order."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4])
        found.append((point, after.split(" ")[0]))
    return found


def unmount_below(directory: Path) -> None:
    """Detach every mount at or below a directory, the last mounted first. OSError names one that stays."""
    top = str(directory.resolve())
    points = [point for point, _ in reversed(_mounts()) if point == top or point.startswith(top + "/")]
    for point in points:  # by hand: the umount program leaves a directory in /run
        if _libc.umount2(os.fsencode(point), _MNT_DETACH):
            code = ctypes.get_errno()
            if code not in (errno.EINVAL, errno.ENOENT):  # unmounted meanwhile
                raise OSError(code, f"cannot unmount {point}: {os.strerror(code)}")


def remove_tree(directory: Path) -> None:
    """Remove a directory and all below it, mounts included; never what a mount shows. Absent is fine."""
    unmount_below(directory)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)


def _control_groups(name: str) -> list[Path]:
    """The group of that name in every hierarchy (version 1 has one per controller), with those below, deepest first."""
    tops = [Path(point) / name for point, kind in _mounts() if kind in ("cgroup", "cgroup2")]
    return [Path(path) for top in dict.fromkeys(tops) for path, _, _ in os.walk(top, topdown=False)]


def end_control_group(name: str, timeout: float = 10) -> None:
    """Kill every process in a top-level control group, frozen ones too, and remove the group everywhere.

    TimeoutError when a process does not end, or the group stays busy.
    """
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"{name!r} is not the name of a top-level control group")
    deadline = time.monotonic() + timeout
    while groups := _control_groups(name):
        for group in groups:
            _thaw(group)
        for group in groups:
            _kill_members(group)
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            raise TimeoutError(f"control group {groups[-1]} is still in use")
        time.sleep(0.01)


def remove_empty_control_groups(name: str) -> None:
    """Remove the control groups below a top-level one in which nothing lives any more."""
    for group in _control_groups(name):
        with contextlib.suppress(OSError):  # somebody lives in it, or below it
            group.rmdir()


def _thaw(group: Path) -> None:
    for file, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        with contextlib.suppress(OSError):
            if (group / file).exists():
                (group / file).write_text(word)


def _kill_members(group: Path) -> None:
    try:
        members = (group / "cgroup.procs").read_text().split()
    except OSError:
        return
    for member in members:
        if member == "0":  # of a process namespace that is not below ours
            continue
        process = Process.open(int(member))
        if process is not None:
            with process:
                process.signal(signal.SIGKILL)
                process.wait(1)


def borrow_directory(directory: Path, mode: int, holder: str) -> None:
    """Have a directory that another program insists on. If it is made for that, `holder` is noted on it.

    Where the file system cannot keep such a note, a directory that was made merely stays.
    """
    try:
        directory.mkdir(mode=mode)
        made = True
    except FileExistsError:
        made = False
    if made or _holders(directory):
        with contextlib.suppress(OSError):
            os.setxattr(directory, _MARK + holder, b"")


def return_directory(directory: Path, holder: str) -> None:
    """Remove a directory that `borrow_directory` made, once its last holder is gone and nobody has anything in it."""
    with contextlib.suppress(OSError):
        os.removexattr(directory, _MARK + holder)
        if not _holders(directory):
            directory.rmdir()


def _holders(directory: Path) -> list[str]:
    try:
        return [name for name in os.listxattr(directory) if name.startswith(_MARK)]
    except OSError:
        return []
