"""The Engine API of one Docker engine: connections that are kept, and its failures in three kinds."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import docker
import docker.errors
import requests

from stackyard.hosts.unix_http import UnixConnection

#: Seconds that a pull or a load may go without a word.
_LONGEST_SILENCE = 900


class EngineDown(Exception):
    """Nobody answers at the engine's socket, or the answer broke off."""


class EngineSilent(Exception):
    """The engine took the request and did not answer in time; it may still be at it."""


class EngineError(Exception):
    """The engine answered with an error: an HTTP status (500 when it came inside a stream) and its own words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class DockerEngine:
    """One engine behind a Unix socket. Connecting waits for the first call; threads share it."""

    def __init__(self, url: str, timeout: int = 60) -> None:
        """`timeout`: how many seconds of silence a call bears, unless it says otherwise."""
        self.url = url
        self._timeout = timeout
        self._client: docker.APIClient | None = None
        self._connecting = threading.Lock()

    @contextlib.contextmanager
    def calls(self) -> Iterator[docker.APIClient]:
        """The client library's own connection, with its failures turned into this module's."""
        try:
            yield self._connected()
        except docker.errors.APIError as error:
            raise EngineError(error.status_code or 500, _reason(error)) from error
        except requests.exceptions.ReadTimeout as error:
            raise EngineSilent(f"no answer from {self.url}") from error
        except (requests.exceptions.RequestException, docker.errors.DockerException, OSError) as error:
            raise EngineDown(f"no Docker answers at {self.url}: {_root(error)}") from error

    def stream(
        self,
        target: str,
        parameters: dict[str, str],
        cancel: threading.Event | None = None,
        data: Iterable[bytes] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """POST and give the messages of progress that come back. Setting `cancel` ends it, within a tenth of a second.

        A message of failure is raised as EngineError. Once cancelled it ends early, or with EngineDown.
        """
        connection = UnixConnection(Path(self.url.removeprefix("unix://")), _LONGEST_SILENCE)
        try:
            with _cancelling(connection, cancel):
                yield from _progress(connection, f"{target}?{urlencode(parameters)}", data)
        except TimeoutError as error:
            raise EngineSilent(f"no answer from {self.url}") from error
        except (http.client.HTTPException, OSError) as error:
            raise EngineDown(f"no Docker answers at {self.url}: {_root(error)}") from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close the kept connections; the next call opens new ones."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> docker.APIClient:
        with self._connecting:
            if self._client is None:
                self._client = docker.APIClient(base_url=self.url, version="auto", timeout=self._timeout, num_pools=32)
            return self._client


def _progress(connection: UnixConnection, target: str, data: Iterable[bytes] | None) -> Iterator[dict[str, Any]]:
    headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"} if data is not None else {}
    with contextlib.suppress(BrokenPipeError):  # the engine has refused before it read all: its answer tells why
        connection.request("POST", target, body=data, headers=headers, encode_chunked=True)
    response = connection.getresponse()
    if response.status >= 400:
        raise EngineError(response.status, _message(response.read().decode(errors="replace")))
    for line in response:
        message = _parsed(line)
        if "error" in message:
            raise EngineError(500, str(message["error"]).strip())
        yield message


@contextlib.contextmanager
def _cancelling(connection: UnixConnection, cancel: threading.Event | None) -> Iterator[None]:
    """Cut a connection, from aside, when `cancel` is set: its user may be waiting for bytes that never come."""
    finished = threading.Event()

    def watch(wanted: threading.Event) -> None:
        while not finished.wait(0.1):
            if wanted.is_set() and connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, args=(cancel,), daemon=True) if cancel else None
    if watcher:
        watcher.start()
    try:
        yield
    finally:
        finished.set()
        if watcher:
            watcher.join()


def _parsed(line: bytes) -> dict[str, Any]:
    """A message of progress; nothing for an empty line, or the half of one where the engine broke off."""
    with contextlib.suppress(ValueError):
        return dict(json.loads(line))
    return {}


def _reason(error: docker.errors.APIError) -> str:
    explanation = error.explanation
    return _message(explanation if isinstance(explanation, str) else (explanation or b"").decode(errors="replace"))


def _message(text: str) -> str:
    """The words in an error body, `{"message": …}` or plain."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(text)["message"]).strip()
    return text.strip()


def _root(error: BaseException) -> BaseException:
    """The first cause: the libraries wrap a plain `Connection refused` three times over."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error
