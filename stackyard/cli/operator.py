"""Talking to the running server through its operator socket, with nothing but the standard library."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

SOCKET = "operator.sock"


class CommandFailed(Exception):
    """What a command cannot do, and what to do about it."""


class NotRunning(CommandFailed):
    """No server answers in this state folder."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("operator", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(state: Path, verb: str, argument: str = "", *, timeout: float = 120) -> Any:
    """The server's answer to a verb. Raises NotRunning, CommandFailed with the server's reason."""
    connection = _UnixConnection(state / SOCKET, timeout)
    try:
        connection.request("GET", f"/{verb}/{quote(argument, safe='')}".rstrip("/"))
        answer = connection.getresponse()
        value = json.loads(answer.read())
    except (FileNotFoundError, NotADirectoryError, ConnectionError, http.client.HTTPException, ValueError) as error:
        raise NotRunning(f"no cloud runs in {state}. Start it with: stackyard up --state {state}") from error
    except PermissionError as error:
        raise CommandFailed(f"the cloud in {state} belongs to another user: run it as root") from error
    except TimeoutError as error:
        raise CommandFailed(f"the server in {state} does not answer within {timeout:g} seconds") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandFailed(value.get("error", f"the server answered {answer.status}"))
    return value
