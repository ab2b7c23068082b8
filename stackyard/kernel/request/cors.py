"""Pages of other origins that may use the API from a browser. None may unless the operator names them."""

from collections.abc import Sequence

from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.representation import varying

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_READABLE = "ETag, Link, Location, OpenStack-API-Version, Retry-After, X-OpenStack-Request-Id, X-Subject-Token"
_SECONDS = "600"


class Origins:
    """The origins that may, such as `https://dashboard.example.org`; `*` for all. No cookies are involved: a page needs
    a token."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(each.rstrip("/") for each in allowed)

    def preflight(self, request: Request) -> Reply | None:
        """The answer to a browser that asks whether it may ask; None for any other request."""
        asked = request.headers.get("access-control-request-method")
        if request.method != "OPTIONS" or asked is None or not self._allows(request):
            return None
        wanted = request.headers.get("access-control-request-headers", "")
        headers = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": _SECONDS}
        if wanted and "\r" not in wanted and "\n" not in wanted:
            headers["Access-Control-Allow-Headers"] = wanted
        return Reply(status=204, headers=headers)

    def mark(self, request: Request, reply: Reply) -> None:
        """Let the page read the answer, when its origin may."""
        if not self._allowed:
            return
        varying(reply.headers, "Origin")
        if self._allows(request):
            reply.headers["Access-Control-Allow-Origin"] = "*" if "*" in self._allowed else request.headers["origin"]
            reply.headers["Access-Control-Expose-Headers"] = _READABLE

    def _allows(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        return origin is not None and ("*" in self._allowed or origin in self._allowed)
