"""What this machine is and has, read from the kernel."""

import os
import platform
import shutil
import socket
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that a cloud shows about a host. Sizes in bytes."""

    hostname: str
    architecture: str
    os_type: str
    os: str
    """The distribution's name, as people call it."""
    kernel_version: str
    cpus: int
    """Cores that this process may use."""
    memory: int
    memory_available: int
    disk: int
    disk_available: int
    labels: dict[str, str] = {}


def hostname() -> str:
    """What this machine calls itself."""
    return socket.gethostname()


def facts(data: Path = Path("/")) -> Machine:
    """This machine now; `data` is a directory on the disk to report: where the containers are."""
    disk, memory = shutil.disk_usage(data), _memory()
    return Machine(
        hostname=hostname(),
        architecture=platform.machine(),
        os_type=platform.system().lower(),
        os=_distribution(),
        kernel_version=platform.release(),
        cpus=len(os.sched_getaffinity(0)),
        memory=memory["MemTotal"],
        memory_available=memory["MemAvailable"],
        disk=disk.total,
        disk_available=disk.free,
    )


def traffic(pid: int) -> tuple[int, int]:
    """Bytes received and sent so far in a process's network namespace, without loopback; (0, 0) when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return 0, 0
    counters = [line.partition(":")[2].split() for line in lines if line.partition(":")[0].strip() != "lo"]
    return sum(int(each[0]) for each in counters), sum(int(each[8]) for each in counters)


def _memory() -> dict[str, int]:
    """/proc/meminfo, in bytes."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(value) << 10 for name, value, *_ in lines}


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
