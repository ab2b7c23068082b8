"""What was applied last, on disk: so that a new driver over the same host knows what it finds there.

One file per network and router, replaced whole. ``dirty`` is written before a change and taken back after it: a change
that was cut short is completed by writing everything again, not by trusting the difference.
"""

import os
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from ...driver import GroupSpec, NetworkSpec, PortSpec, RouterSpec

R = TypeVar("R", bound=msgspec.Struct)


class PortRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A port and the number that stands for it in packet marks, unique on its network, from 1."""

    spec: PortSpec
    number: int


class NetworkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A network with its groups and ports by id."""

    spec: NetworkSpec
    groups: dict[str, GroupSpec] = {}
    ports: dict[str, PortRecord] = {}
    dirty: bool = True


class RouterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A router."""

    spec: RouterSpec
    dirty: bool = True


class Records:
    """The records of one cloud on one host: kept in memory, every change written through."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._networks = _load(folder / "networks", NetworkRecord)
        self._routers = _load(folder / "routers", RouterRecord)

    def network(self, network_id: str) -> NetworkRecord | None:
        """A network's record."""
        with self._lock:
            return self._networks.get(network_id)

    def networks(self) -> dict[str, NetworkRecord]:
        """All networks by id."""
        with self._lock:
            return dict(self._networks)

    def router(self, router_id: str) -> RouterRecord | None:
        """A router's record."""
        with self._lock:
            return self._routers.get(router_id)

    def routers(self) -> dict[str, RouterRecord]:
        """All routers by id."""
        with self._lock:
            return dict(self._routers)

    def put_network(self, record: NetworkRecord) -> None:
        """Add or replace."""
        with self._lock:
            _write(self._folder / "networks" / record.spec.id, record)
            self._networks[record.spec.id] = record

    def put_router(self, record: RouterRecord) -> None:
        """Add or replace."""
        with self._lock:
            _write(self._folder / "routers" / record.spec.id, record)
            self._routers[record.spec.id] = record

    def drop_network(self, network_id: str) -> None:
        """Forget; content if unknown."""
        with self._lock:
            (self._folder / "networks" / network_id).unlink(missing_ok=True)
            self._networks.pop(network_id, None)

    def drop_router(self, router_id: str) -> None:
        """Forget; content if unknown."""
        with self._lock:
            (self._folder / "routers" / router_id).unlink(missing_ok=True)
            self._routers.pop(router_id, None)

    def drop_all(self) -> None:
        """Forget everything and remove the folders that were made for it."""
        for network_id in self.networks():
            self.drop_network(network_id)
        for router_id in self.routers():
            self.drop_router(router_id)
        for name in ("networks", "routers"):
            folder = self._folder / name
            if folder.is_dir():
                for leftover in folder.iterdir():
                    leftover.unlink()
                folder.rmdir()


def _write(file: Path, record: msgspec.Struct) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    draft.write_bytes(msgspec.msgpack.encode(record))
    os.replace(draft, file)


def _load(folder: Path, kind: type[R]) -> dict[str, R]:
    found: dict[str, R] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not file.name.startswith("."):
            try:
                found[file.name] = msgspec.msgpack.decode(file.read_bytes(), type=kind)
            except msgspec.MsgspecError:
                # Torn by a power cut, or of another version: the server tells it again, and it is rebuilt.
                continue
    return found
