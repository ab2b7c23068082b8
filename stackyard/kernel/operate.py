"""The operator's interface of a running server: a socket in the state directory that only its owner can open.

It serves the commands of `stackyard`: status, why, check, reconcile, stop. Not part of the cloud's API.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from stackyard.kernel.errors import ApiError
from stackyard.kernel.request import asgi

Verb = Callable[[str], Any]


class Operate:
    """An ASGI application of verbs: `GET or POST /<verb>/<argument>` calls the verb and answers with its value as
    JSON."""

    def __init__(self, verbs: dict[str, Verb]) -> None:
        self._verbs = verbs

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """The ASGI entry."""
        name, _, argument = scope["path"].lstrip("/").partition("/")
        verb = self._verbs.get(name)
        if verb is None:
            status, told = 404, {"error": f"there is no operator command '{name}'"}
        else:
            status, told = await asyncio.get_running_loop().run_in_executor(None, _value, verb, unquote(argument))
        body = msgspec.json.encode(told)
        await asgi.answer(send, status, {"Content-Type": "application/json"}, body, head=scope["method"] == "HEAD")


def _value(verb: Verb, argument: str) -> tuple[int, Any]:
    try:
        return 200, verb(argument)
    except ApiError as error:
        return error.status, {"error": error.message}
    except Exception as error:
        return 500, {"error": f"{type(error).__name__}: {error}"}
