"""The host's own forwarding switches: turned on while any cloud on the host needs them, given back after the last.

The record of what they were is one per host, not per cloud, and lies where a reboot clears it, as a reboot clears the
switches themselves: each cloud's use is a file, and the last to leave restores.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stackyard.hosts import sysctl

IPV4 = "net/ipv4/ip_forward"
IPV6 = "net/ipv6/conf/all/forwarding"


class HostForwarding:
    """One cloud's use of the host's forwarding. ``folder`` is the same for all clouds of the host."""

    def __init__(self, folder: Path, cloud: str) -> None:
        self._folder = folder
        self._original = folder / "forwarding.json"
        self._users = folder / "users"
        self._cloud = cloud

    def enter(self, ipv6: bool) -> None:
        """Have the host forward IPv4, and IPv6 if asked. What that changes is recorded first."""
        with self._locked():
            self._users.mkdir(exist_ok=True)
            (self._users / self._cloud).touch()
            if sysctl.read(IPV4) != "1":
                self._record(_touched_by_ipv4())
                sysctl.write(IPV4, "1")
            if ipv6 and sysctl.read(IPV6) != "1":
                self._record(_touched_by_ipv6())
                # A host that forwards ignores router advertisements, unless told to listen all the same.
                for key in _listening():
                    sysctl.write(key, "2")
                sysctl.write(IPV6, "1")

    def leave(self) -> None:
        """Give up this cloud's use; the last restores what was recorded, and leaves no trace."""
        if not self._folder.is_dir():
            return
        with self._locked():
            (self._users / self._cloud).unlink(missing_ok=True)
            if self._users.is_dir() and not any(self._users.iterdir()):
                self._restore()
                self._users.rmdir()
        self._remove_folder()

    def _record(self, values: dict[str, str]) -> None:
        known = self._recorded()
        draft = self._original.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode({**values, **known}))
        os.replace(draft, self._original)

    def _recorded(self) -> dict[str, str]:
        if not self._original.exists():
            return {}
        return msgspec.json.decode(self._original.read_bytes(), type=dict[str, str])

    def _restore(self) -> None:
        recorded = self._recorded()
        # The two switches write to all interfaces: they come first, what single interfaces had comes after.
        for key in (IPV4, IPV6):
            if key in recorded:
                sysctl.write_known({key: recorded[key]})
        sysctl.write_known(recorded)
        self._original.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _remove_folder(self) -> None:
        if self._users.is_dir():
            return
        (self._folder / "lock").unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()


def _touched_by_ipv4() -> dict[str, str]:
    keys = [IPV4, "net/ipv4/conf/all/accept_redirects"]
    return _values(keys + [f"net/ipv4/conf/{name}/forwarding" for name in sysctl.interfaces("ipv4")])


def _touched_by_ipv6() -> dict[str, str]:
    names = sysctl.interfaces("ipv6")
    keys = [IPV6, *(f"net/ipv6/conf/{name}/forwarding" for name in names)]
    return _values([*keys, *_listening()])


def _listening() -> list[str]:
    keys = [f"net/ipv6/conf/{name}/accept_ra" for name in sysctl.interfaces("ipv6")]
    return [key for key in keys if sysctl.read(key) == "1"]


def _values(keys: list[str]) -> dict[str, str]:
    values = {key: sysctl.read(key) for key in keys}
    return {key: value for key, value in values.items() if value is not None}
