"""Kernel settings under /proc/sys. Those of the network belong to the namespace of the calling thread.

A key is the path below /proc/sys ("net/ipv4/ip_forward"): names of interfaces may hold dots.
"""

from pathlib import Path

ROOT = Path("/proc/sys")


def read(key: str) -> str | None:
    """The value, or None where the kernel has no such setting."""
    try:
        return (ROOT / key).read_text().strip()
    except FileNotFoundError:
        return None


def write(key: str, value: str) -> None:
    """Set a value. Raises FileNotFoundError where the kernel has no such setting."""
    (ROOT / key).write_text(value)


def write_known(values: dict[str, str]) -> None:
    """Set those values that the kernel has a setting for and that differ from what is set."""
    for key, value in values.items():
        if read(key) not in (None, value):
            write(key, value)


def interfaces(family: str) -> list[str]:
    """The names below net/<family>/conf, with "all" and "default"."""
    folder = ROOT / "net" / family / "conf"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
