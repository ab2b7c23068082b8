"""Runs in Tempest's environment: a service that says who asks, behind OpenStack's own keystonemiddleware.

Takes the middleware's settings as JSON; prints the port that it listens on.
"""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import make_server

from keystonemiddleware.auth_token import AuthProtocol

TOLD = ("X_USER_NAME", "X_PROJECT_NAME", "OPENSTACK_SYSTEM_SCOPE", "X_ROLES", "X_SERVICE_USER_NAME", "X_SERVICE_ROLES")


def service(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What the middleware found out about the caller."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name.removeprefix("X_"): environ.get(f"HTTP_{name}") for name in TOLD}).encode()]


with make_server("127.0.0.1", 0, AuthProtocol(service, json.loads(sys.argv[1]))) as server:
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
