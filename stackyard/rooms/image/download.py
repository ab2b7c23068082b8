"""Fetching an image from the web on a caller's behalf, without lending them the cloud's own position in the network.

Only http and https, only to addresses of the public internet (and to servers that the operator names), no
redirects: the address that was checked is the address that is connected to.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from stackyard.kernel.errors import BadRequest, Unavailable

CHUNK = 1 << 20
#: IPv6 addresses that end in one of IPv4, to which a gateway may translate them: RFC 6052, RFC 8215, RFC 4291.
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
PATIENCE = 60.0


class Unreachable(Exception):
    """The server broke off in the middle; trying again can help."""


def checked(uri: Any) -> str:
    """The address, if its form is one this cloud fetches from. Raises BadRequest."""
    try:
        parts = urlsplit(uri) if isinstance(uri, str) else SplitResult("", "", "", "", "")
        fine = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and (parts.port or 80) > 0
        )
    except ValueError:
        fine = False
    if not fine or not all(32 < ord(letter) < 127 for letter in uri):
        raise BadRequest(f"URI for web-download does not pass filtering: {str(uri)[:255]}", field="method.uri")
    return str(uri)


def fetch(uri: str, *, trusted: Sequence[str]) -> Iterator[bytes]:
    """The bytes at an address, in chunks. `trusted`: servers that may be asked wherever they are, as "http://host:port".
    Raises BadRequest when the address or the answer is refused, Unavailable when nobody answers;
    the chunks raise Unreachable when the server breaks off."""
    parts = urlsplit(checked(uri))
    address = _resolved(parts, anywhere=f"{parts.scheme}://{parts.netloc}" in trusted)
    connection = _Pinned(parts, address)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unavailable(f"{parts.hostname} does not answer: {error}.", remedy="Check the address.") from error
    if answer.status != 200:
        connection.close()
        raise BadRequest(f"{parts.hostname} answered {answer.status} {answer.reason} for {uri[:255]}.")
    return _chunks(connection, answer, parts)


def _resolved(parts: SplitResult, *, anywhere: bool) -> tuple[Any, ...]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadRequest(
            f"The name {parts.hostname} of the web-download address cannot be resolved: {error}."
        ) from error
    for family, kind, protocol, _, address in found:
        if anywhere or _is_public(str(address[0])):
            return family, kind, protocol, address
    raise BadRequest(f"URI for web-download does not pass filtering: {parts.hostname} is not on the public internet.")


def _is_public(text: str) -> bool:
    """Whether an address is one of the public internet, also by way of a gateway between IPv6 and IPv4."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in each for each in _TRANSLATED):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF).is_global
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name would resolve to by now."""

    def __init__(self, parts: SplitResult, address: tuple[Any, ...]) -> None:
        super().__init__(parts.netloc, timeout=PATIENCE)
        self._parts = parts
        self._address = address

    def connect(self) -> None:
        family, kind, protocol, address = self._address
        self.sock = socket.socket(family, kind, protocol)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address)
        if self._parts.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._parts.hostname)


def _chunks(connection: _Pinned, answer: http.client.HTTPResponse, parts: SplitResult) -> Iterator[bytes]:
    expected = answer.length
    size = 0
    try:
        while chunk := answer.read(CHUNK):
            size += len(chunk)
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{parts.hostname} broke off after {size} bytes: {error}") from error
    finally:
        connection.close()
    if expected is not None and size < expected:
        raise Unreachable(f"{parts.hostname} broke off after {size} of {expected} bytes")
