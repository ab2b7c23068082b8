"""What a host looks like, so that a test can say: afterwards it is as it was."""

import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

#: Writable switches that change by themselves.
_RESTLESS = re.compile(r"kernel/ns_last_pid|kernel/random/|/neigh/|kernel/cad_pid|net/ipv4/route/flush|/stable_secret")


def snapshot() -> dict[str, list[str]]:
    """Links, addresses, routes, rules, firewall, namespaces, mounts, loops, switches, control groups, directories.

    Each entry is a sorted list of lines without numbers that the kernel makes up. It reads the caller's namespaces.
    """
    return {
        "links": _lines("ip", "-brief", "link", keep=lambda line: line.split()[0]),
        "addresses": _lines("ip", "-brief", "address"),
        "routes": [
            *_lines("ip", "-4", "route", "show", "table", "all"),
            *_lines("ip", "-6", "route", "show", "table", "all"),
        ],
        "rules": [*_lines("ip", "-4", "rule"), *_lines("ip", "-6", "rule")],
        "firewall": _lines("nft", "list", "ruleset"),
        "namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "mounts": _mounts(),
        "loop devices": _lines("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"),
        "switches": _switches(),
        "control groups": sorted(path for path, _, _ in os.walk("/sys/fs/cgroup")),
        "directories": sorted(str(path) for top in ("/run", "/opt", "/etc/docker", "/var/lib") for path in _below(top)),
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """One line for each thing that came (+) or went (-)."""
    found = []
    for kind, was in before.items():
        found += [f"- {kind}: {line}" for line in sorted(set(was) - set(after[kind]))]
        found += [f"+ {kind}: {line}" for line in sorted(set(after[kind]) - set(was))]
    return found


def _lines(*command: str, keep: Callable[[str], str] = str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return sorted(keep(line) for line in done.stdout.splitlines() if line.strip())


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(" ".join(line.split(" - ")[0].split(" ")[3:6]) + " " + line.split(" - ")[1] for line in lines)


def _switches() -> list[str]:
    found = []
    for path, _, files in os.walk("/proc/sys"):
        for name in files:
            file = f"{path}/{name}"
            if _RESTLESS.search(file) or not os.stat(file).st_mode & stat.S_IWUSR:
                continue
            try:
                found.append(f"{file.removeprefix('/proc/sys/')} = {Path(file).read_text().strip()}")
            except OSError:
                continue
    return sorted(found)


def _below(top: str, depth: int = 2) -> list[Path]:
    if depth == 0 or not os.path.isdir(top):
        return []
    with os.scandir(top) as entries:
        directories = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [Path(each) for each in directories] + [deeper for each in directories for deeper in _below(each, depth - 1)]
