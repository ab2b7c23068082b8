"""HTTP over a Unix socket, for the few questions that do not deserve a client library."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class UnixConnection(http.client.HTTPConnection):
    """The standard library's connection, to a socket's path instead of an address."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, timeout: float = 5) -> tuple[int, Any]:
    """Send one request without a body; the answer's status, and its JSON or text.

    OSError when nobody listens or the answer breaks off, TimeoutError (an OSError) after `timeout` seconds of silence.
    """
    connection = UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{path} broke off: {error!r}") from error
    finally:
        connection.close()
    if response.headers.get_content_type() == "application/json":
        return response.status, json.loads(body)
    return response.status, body.decode(errors="replace")
