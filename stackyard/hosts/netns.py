"""Network namespaces: make, name, remove, and run a function inside one.

Named namespaces are bind mounts in /run/netns, where `ip netns` finds them. A function runs inside a namespace on a
thread that is made for it and ends with it, so that no other code can ever find itself on a thread in the wrong
namespace; a child process started there, and a socket opened there, belong to that namespace too.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FOLDER = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, subject: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), subject)


def _on_new_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as failure:  # handed to the caller, whatever it is
            failures.append(failure)

    thread = threading.Thread(target=body, name="netns")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def inside(namespace: Path | None, function: Callable[[], T]) -> T:
    """Call the function on a thread inside the namespace at this path (None: the host's own). Raises what it raises,
    FileNotFoundError if there is no such path, OSError if it is no namespace."""

    def body() -> T:
        if namespace is not None:
            descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check(_libc.setns(descriptor, _CLONE_NEWNET), str(namespace))
            finally:
                os.close(descriptor)
        return function()

    return _on_new_thread(body)


def path(name: str) -> Path:
    """Where the namespace of this name is, whether it exists or not."""
    return FOLDER / name


def exists(name: str) -> bool:
    """Whether there is a live namespace of this name, not just a file left by one."""
    return is_namespace(path(name))


def is_namespace(place: Path) -> bool:
    """Whether the path leads to a namespace that can be entered."""
    try:
        return place.stat().st_dev == Path("/proc/self/ns/net").stat().st_dev
    except OSError:
        return False


def create(name: str) -> None:
    """Make a named namespace, with its loopback down. Content if it exists."""
    if exists(name):
        return
    target = path(name)
    _touch(target)

    def body() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), name)
        source = b"/proc/thread-self/ns/net"
        _check(_libc.mount(source, os.fsencode(target), b"none", _MS_BIND, None), str(target))

    _on_new_thread(body)


def _touch(target: Path) -> None:
    for _ in range(3):  # another process may remove the folder as the last to leave it
        FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            target.touch(mode=0o444)
            return
    target.touch(mode=0o444)


def remove(name: str) -> None:
    """Unname the namespace; it ends, and its devices with it, once no process and no socket is in it."""
    target = path(name)
    while _libc.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        pass
    if ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))
    target.unlink(missing_ok=True)


def names(prefix: str) -> list[str]:
    """The names that start so, ordered; also of files that are no namespace any more."""
    if not FOLDER.is_dir():
        return []
    return sorted(entry.name for entry in FOLDER.iterdir() if entry.name.startswith(prefix))


def remove_folder() -> None:
    """Remove the folder of names if nothing is in it and nothing is mounted on it; it is made again when needed."""
    with suppress(OSError):
        if not os.path.ismount(FOLDER):
            FOLDER.rmdir()
