"""Pretend hosts and pretend containers: network namespaces with sockets of this process in them.

A pretend host is a new namespace that the test's main thread, and so the driver, takes for the host's own: the real
host's links, rules and switches are out of reach.
"""

import ctypes
import math
import os
import select
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stackyard.hosts import netns, nft
from stackyard.hosts.netlink import Netlink
from stackyard.rooms.network.driver import NetworkDriver
from stackyard.rooms.network.drivers.native import NativeDriver
from stackyard.rooms.network.drivers.native.names import CloudNames

#: How long what must come is waited for: a packet takes microseconds, but the machine may be busy and a lost SYN or
#: neighbour solicitation is sent again only after a second.
PATIENCE = 10.0
#: How long what must not come is waited for.
MOMENT = 0.6

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Container:
    """A namespace that has sockets, as a container would."""

    def __init__(self) -> None:
        self.name = f"pretend-{uuid.uuid4().hex[:12]}"
        netns.create(self.name)
        self.path = netns.path(self.name)
        self._servers: list[socket.socket] = []
        self.run("ip", "link", "set", "lo", "up")

    def end(self) -> None:
        """End it; sockets that others hold stay open."""
        for server in self._servers:
            server.close()
        netns.remove(self.name)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside."""
        return netns.inside(self.path, lambda: subprocess.run(command, capture_output=True, text=True, check=False))

    def open_socket(self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """Open a socket inside."""
        return netns.inside(self.path, lambda: socket.socket(family, kind, protocol))

    def listen(self, port: int, kind: int = socket.SOCK_STREAM) -> None:
        """Echo what comes to the port, over IPv4 and IPv6."""
        server = self.open_socket(socket.AF_INET6, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            server.listen()
        self._servers.append(server)
        threading.Thread(target=_serve, args=(server, kind), daemon=True).start()

    def connect(self, address: str, port: int, within: float = PATIENCE) -> socket.socket:
        """Open a TCP connection. Raises OSError."""
        client = self.open_socket(_family(address))
        client.settimeout(within)
        try:
            client.connect((address, port))
        except OSError:
            client.close()
            raise
        return client

    def reaches(self, address: str, port: int, within: float = PATIENCE) -> bool:
        """Whether a TCP connection opens and echoes."""
        try:
            with self.connect(address, port, within) as connection:
                return echoes(connection, within)
        except OSError:
            return False

    def pings(self, address: str, within: float = PATIENCE) -> bool:
        """Whether an echo request is answered."""
        # Requests are sent until one is answered or the time is over; -w takes whole seconds.
        return self.run("ping", "-n", "-c", "1", "-w", str(math.ceil(within)), address).returncode == 0

    def sends(self, frame: bytes, to: "Container", interface: str = "eth0", within: float = PATIENCE) -> bool:
        """Whether a raw frame sent here arrives at another container, as it is."""
        with to.packet_socket(interface) as receiver, self.packet_socket(interface) as sender:
            sender.send(frame)
            deadline = time.monotonic() + within
            while (left := deadline - time.monotonic()) > 0:
                if select.select([receiver], [], [], left)[0] and receiver.recv(2000)[: len(frame)] == frame:
                    return True
        return False

    def packet_socket(self, interface: str) -> socket.socket:
        """A socket that sends and gets whole frames."""
        found = self.open_socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        found.bind((interface, 0))
        return found


def echoes(connection: socket.socket, within: float = PATIENCE) -> bool:
    """Whether a byte sent over the connection comes back."""
    connection.settimeout(within)
    try:
        connection.send(b"x")
        return connection.recv(1) == b"x"
    except OSError:
        return False


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _serve(server: socket.socket, kind: int) -> None:
    with suppress(OSError):
        while kind == socket.SOCK_DGRAM:
            data, peer = server.recvfrom(2000)
            server.sendto(data, peer)
        while kind == socket.SOCK_STREAM:
            connection, _ = server.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with suppress(OSError), connection:
        while data := connection.recv(2000):
            connection.send(data)


class PretendHost:
    """A host of the test's own: a namespace that this process's main thread lives in meanwhile, and clouds on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._containers: list[Container] = []
        self._clouds: dict[str, str] = {}
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.run("ip", "link", "set", "lo", "up")

    def leave(self) -> None:
        """Remove every cloud and container and return to where the main thread came from."""
        try:
            for cloud in self._clouds:
                self.driver(cloud).remove_all()
            for container in self._containers:
                container.end()
        finally:
            if _libc.setns(self._home, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.close(self._home)

    def names(self, cloud: str = "one") -> CloudNames:
        """What the cloud's things are called; the id is made up, for other tests may run beside this one."""
        return CloudNames(self._clouds.setdefault(cloud, uuid.uuid4().hex[:5]))

    def driver(self, cloud: str = "one") -> NetworkDriver:
        """A new driver object over this host."""
        return NativeDriver(self.names(cloud).cloud, self._folder / cloud, self._folder / "host")

    def container(self) -> Container:
        """A new container without a network."""
        self._containers.append(Container())
        return self._containers[-1]

    def namespace(self) -> str:
        """The path of a new container's namespace."""
        return str(self.container().path)

    def end_namespace(self, netns: str) -> None:
        """End a container, and wait until its devices are gone, as they are soon after a process ends."""
        for container in self._containers:
            if str(container.path) == netns:
                container.run("ip", "link", "delete", "eth0")
                container.end()

    def add_foreign_interface(self, netns: str, name: str) -> None:
        """Put a device into a container that is nobody's port."""
        for container in self._containers:
            if str(container.path) == netns:
                container.run("ip", "link", "add", name, "type", "bridge")

    def damage_network(self, network_id: str, cloud: str = "one") -> None:
        """Delete a network's bridge."""
        self.inside_network(network_id, "ip", "link", "delete", "bridge", cloud=cloud)

    def inside_network(self, network_id: str, *command: str, cloud: str = "one") -> str:
        """Run a program in a network's namespace."""
        place = netns.path(self.names(cloud).network(network_id))
        return netns.inside(place, lambda: self.run(*command).stdout)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on the host."""
        return subprocess.run(command, capture_output=True, text=True, check=True)

    def reaches(self, address: str, port: int, within: float = PATIENCE) -> bool:
        """Whether the host itself gets an echo over TCP."""
        try:
            with socket.create_connection((address, port), timeout=within) as connection:
                return echoes(connection, within)
        except OSError:
            return False

    def add_outside(self, address: str, peer: str) -> Container:
        """A machine beyond the host: linked to its eth0 (``address``), with ``peer`` as its own, and no route back."""
        outside = self.container()
        with outside.path.open() as place:
            descriptor = place.fileno()

            def body() -> None:
                with Netlink() as net:
                    net.add_veth("eth0", "eth0", descriptor, 1500)
                    net.add_address(net.links()["eth0"].index, address)

            netns.inside(None, body)
        outside.run("ip", "address", "add", peer, "dev", "eth0")
        outside.run("ip", "link", "set", "eth0", "up")
        return outside

    def looks(self) -> dict[str, str]:
        """Links, addresses, routes, rules and network switches of the host, to be compared."""
        switches = {}
        for folder, _, files in os.walk("/proc/sys/net"):
            for file in files:
                if "/neigh/" not in folder and file not in ("flush", "stable_secret"):
                    with suppress(OSError):
                        switches[f"{folder}/{file}"] = Path(folder, file).read_text()
        return {
            **switches,
            "links": self.run("ip", "-brief", "link").stdout,
            "addresses": self.run("ip", "-brief", "address").stdout,
            "routes": self.run("ip", "route", "show", "table", "all").stdout,
            "firewall": self.run("nft", "list", "ruleset").stdout,
            "namespaces": str(netns.names(self.names().namespaces)),
            "folder": str(sorted(str(path) for path in self._folder.glob("host/**/*"))),
        }


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def flush_chain(table: str, chain: str) -> None:
    """Take the rules out of a chain of the calling thread's namespace."""
    nft.apply(f"flush chain {table} {chain}")


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    """A frame, at least as long as Ethernet wants it."""
    return (_mac(target) + _mac(source) + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source: int, target: int, payload: bytes) -> bytes:
    """A UDP datagram without checksum."""
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def arp(mac: str, address: str, wanted: str, operation: int = 2) -> bytes:
    """An ARP packet in which the address is at the MAC."""
    addresses = _mac(mac) + socket.inet_aton(address), b"\xff" * 6 + socket.inet_aton(wanted)
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + b"".join(addresses)


def icmpv6(source: str, target: str, kind: int, body: bytes) -> bytes:
    """An IPv6 packet with an ICMPv6 message of that type (``body`` is what follows the checksum)."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    message = struct.pack("!BBH", kind, 0, 0) + body
    total = checksum(ends + struct.pack("!II", len(message), 58) + message)
    message = message[:2] + struct.pack("!H", total) + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + ends + message


def checksum(data: bytes) -> int:
    """The internet checksum."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
