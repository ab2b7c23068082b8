"""The operator's interface of a running server: a socket in the state directory that only its owner can open.

It serves the commands of `stackyard`: status, why, check, reconcile, stop. Not part of the cloud's API.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import falcon
import falcon.asgi
import msgspec

from stackyard.kernel.errors import ApiError

Verb = Callable[[str], Any]


class Operate:
    """An ASGI application of verbs: `GET or POST /<verb>/<argument>` calls the verb and answers with its value as
    JSON."""

    def __init__(self, verbs: dict[str, Verb]) -> None:
        self._verbs = verbs
        self.app = falcon.asgi.App()
        self.app.add_sink(self._serve, "/")

    async def _serve(self, req: falcon.asgi.Request, resp: falcon.asgi.Response | None, **params: Any) -> None:
        assert resp is not None
        name, _, argument = req.path.lstrip("/").partition("/")
        verb = self._verbs.get(name)
        if verb is None:
            resp.status, body = 404, {"error": f"there is no operator command '{name}'"}
        else:
            resp.status, body = await asyncio.get_running_loop().run_in_executor(None, _answer, verb, unquote(argument))
        resp.data, resp.content_type = msgspec.json.encode(body), "application/json"


def _answer(verb: Verb, argument: str) -> tuple[int, Any]:
    try:
        return 200, verb(argument)
    except ApiError as error:
        return error.status, {"error": error.message}
    except Exception as error:
        return 500, {"error": f"{type(error).__name__}: {error}"}
