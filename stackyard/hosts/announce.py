"""Tell the neighbours where an address is now, so that what they remember of its former holder is forgotten.

Sends a gratuitous ARP (IPv4) or an unsolicited neighbour advertisement (IPv6) from an interface of the calling thread's
network namespace.
"""

import ipaddress
import socket
import struct
import threading

_ETH_P_ARP = 0x0806
_ETH_P_IPV6 = 0x86DD
_ICMPV6 = 58
_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000


def announce(interface: str, mac: str, addresses: list[str]) -> None:
    """Announce the addresses (a prefix length is ignored) as being at the MAC. Raises OSError."""
    if not addresses:
        return
    hardware = bytes.fromhex(mac.replace(":", ""))
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    try:
        link.bind((interface, 0))
        for text in addresses:
            address = ipaddress.ip_address(text.split("/")[0])
            link.send(_advertisement(hardware, address) if address.version == 6 else _arp(hardware, address))
    finally:
        # The kernel takes 10 ms and more to close a packet socket; nobody has to wait for it.
        threading.Thread(target=link.close, name="close").start()


def _arp(mac: bytes, address: ipaddress.IPv4Address) -> bytes:
    header = b"\xff" * 6 + mac + struct.pack("!H", _ETH_P_ARP)
    return header + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address.packed + b"\0" * 6 + address.packed


def _advertisement(mac: bytes, address: ipaddress.IPv6Address) -> bytes:
    everyone = ipaddress.IPv6Address("ff02::1").packed
    body = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed + b"\x02\x01" + mac
    pseudo = address.packed + everyone + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    header = b"\x33\x33\0\0\0\x01" + mac + struct.pack("!H", _ETH_P_IPV6)
    return header + struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + address.packed + everyone + body


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
