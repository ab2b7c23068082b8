"""The pages of whoever looks after the cloud, beside its services: /metrics, /livez, /readyz, /healthcheck.

Whether the server lives and whether it is ready is said to everyone, and no more than that. Numbers and reasons are for
those who hold the observer's token: who asks from this machine is no answer to who asks, for a proxy may stand there.
"""

import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from stackyard.kernel.errors import MethodNotAllowed, Unauthorized
from stackyard.kernel.observe.health import Health
from stackyard.kernel.request.exchange import Reply, Request

#: In the state folder, for its owner only.
TOKEN_FILE = "observer-token"
#: Prometheus' text format.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """What answers at a path. `blocking`: it may take its time, and must not hold up the event loop."""

    answer: Callable[[Request], Reply]
    blocking: bool = True

    def for_(self, request: Request) -> Reply:
        """The answer. Raises ApiError."""
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(
                f"{request.method} is not allowed at {request.path}.", remedy="Allowed: GET, HEAD.",
                headers={"Allow": "GET, HEAD"},
            )  # fmt: skip
        return self.answer(request)


class Observers:
    """Who may see numbers and reasons: whoever has the token. It is made when it is missing, and read at each request,
    so that another one counts from the moment it is put there."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / TOKEN_FILE

    def begin(self) -> None:
        """Make the token unless there is one."""
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")

    def know(self, request: Request) -> bool:
        """Whether the request carries the token."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            expected = self._file.read_text().strip()
        except OSError:
            return False
        same = hmac.compare_digest(given.strip().encode(), expected.encode())
        return scheme.lower() == "bearer" and bool(expected) and same


def pages(
    registry: CollectorRegistry, health: Health, observers: Observers, services: Iterable[str]
) -> Mapping[str, Page]:
    """The pages by path. `services`: the paths of those that get a /healthcheck of their own."""

    def metrics(request: Request) -> Reply:
        if not observers.know(request):
            raise Unauthorized(
                "Metrics are for those who hold the observer's token.",
                remedy=f"Send it as Authorization: Bearer; it is in {TOKEN_FILE} of the cloud's folder.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Reply(data=generate_latest(registry), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    def ready(request: Request) -> Reply:
        return _ready(health, request, told=observers.know(request))

    checked = Page(lambda request: _healthcheck(request, not health.troubles()))
    alive = Page(lambda request: _text(200, "alive"), blocking=False)
    healthchecks = {f"{path.rstrip('/')}/healthcheck": checked for path in ("", *services)}
    return {"/metrics": Page(metrics), "/livez": alive, "/readyz": Page(ready), **healthchecks}


def _ready(health: Health, request: Request, *, told: bool) -> Reply:
    said = health.standing()
    ready = not any(said.values())
    if told and "application/json" in request.headers.get("accept", ""):
        body = {"ready": ready, "checks": {name: trouble or "ok" for name, trouble in said.items()}}
        return Reply(status=200 if ready else 503, body=body, headers={"Cache-Control": "no-store"})
    return _text(200, "ready") if ready else _text(503, "not ready")


def _healthcheck(request: Request, healthy: bool) -> Reply:
    """As oslo.middleware's Healthcheck answers when it is not detailed."""
    if request.method == "HEAD":
        return Reply(status=204 if healthy else 503, headers={"Cache-Control": "no-store"})
    word = "OK" if healthy else "NOT READY"
    if "application/json" in request.headers.get("accept", ""):
        body = {"detailed": False, "reasons": [word]}
        return Reply(status=200 if healthy else 503, body=body, headers={"Cache-Control": "no-store"})
    return _text(200 if healthy else 503, word)


def _text(status: int, words: str) -> Reply:
    return Reply(status=status, data=words.encode(), content_type=_TEXT, headers={"Cache-Control": "no-store"})
