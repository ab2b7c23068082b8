"""The connection tracking table of the calling thread's network namespace (ctnetlink by pyroute2)."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttr

_ENOENT = 2


@dataclass(frozen=True)
class Flow:
    """A connection as its first packet was; ``port`` is the destination's.

    ``reply_source`` and ``reply_target`` are what answers carry: they differ from the first packet's by translation.
    """

    family: int
    protocol: int
    source: str
    target: str
    port: int | None
    icmp_type: int | None
    icmp_code: int | None
    mark: int
    reply_source: str
    reply_target: str


class _Tuple(NFCTAttr):  # type: ignore[misc]
    """A tuple as it came from the kernel, to be sent back; pyroute2's own knows the ports of TCP and UDP only."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def attrs(self) -> list[Any]:
        return [[name, {"attrs": [list(pair) for pair in part["attrs"]]}] for name, part in self._message["attrs"]]


def delete(unwanted: Callable[[Flow], bool]) -> int:
    """Delete the connections that the function picks; returns how many.

    Takes 10 ms and more however few there are: the kernel looks through the table of all namespaces.
    """
    with NFCTSocket(nfgen_family=socket.AF_UNSPEC) as table:
        found = list(table.dump())
    deleted = 0
    for family in (socket.AF_INET, socket.AF_INET6):
        ours = (message for message in found if message["nfgen_family"] == family)
        picked = [message for message in ours if unwanted(_flow(family, message))]
        if picked:
            with NFCTSocket(nfgen_family=family) as table:
                deleted += sum(_delete(table, message) for message in picked)
    return deleted


def _delete(table: NFCTSocket, message: Any) -> int:
    try:
        table.entry("del", tuple_orig=_Tuple(message.get_attr("CTA_TUPLE_ORIG")))
    except NetlinkError as failure:
        if failure.code != _ENOENT:
            raise
        return 0
    return 1


def _flow(family: int, message: Any) -> Flow:
    address = "CTA_IP_V4" if family == socket.AF_INET else "CTA_IP_V6"
    icmp = "CTA_PROTO_ICMP" if family == socket.AF_INET else "CTA_PROTO_ICMPV6"
    original = message.get_attr("CTA_TUPLE_ORIG")
    reply = message.get_attr("CTA_TUPLE_REPLY").get_attr("CTA_TUPLE_IP")
    addresses, protocol = original.get_attr("CTA_TUPLE_IP"), original.get_attr("CTA_TUPLE_PROTO")
    return Flow(
        family=family,
        protocol=protocol.get_attr("CTA_PROTO_NUM"),
        source=addresses.get_attr(f"{address}_SRC"),
        target=addresses.get_attr(f"{address}_DST"),
        port=protocol.get_attr("CTA_PROTO_DST_PORT"),
        icmp_type=protocol.get_attr(f"{icmp}_TYPE"),
        icmp_code=protocol.get_attr(f"{icmp}_CODE"),
        mark=message.get_attr("CTA_MARK") or 0,
        reply_source=reply.get_attr(f"{address}_SRC"),
        reply_target=reply.get_attr(f"{address}_DST"),
    )
