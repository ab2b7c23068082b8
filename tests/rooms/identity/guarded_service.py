"""Runs in Tempest's environment: a service that says who asks, behind OpenStack's own keystonemiddleware.

Takes the middleware's settings as JSON; prints the port that it listens on. With `certificate`, `key` and
`authorities` (of clients) it speaks TLS, and lets in whose token is bound to the client's certificate.
"""

import json
import ssl
import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from keystonemiddleware.auth_token import AuthProtocol
from keystonemiddleware.oauth2_mtls_token import OAuth2mTlsProtocol

TOLD = ("X_USER_NAME", "X_PROJECT_NAME", "OPENSTACK_SYSTEM_SCOPE", "X_ROLES", "X_SERVICE_USER_NAME", "X_SERVICE_ROLES")


def service(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What the middleware found out about the caller."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name.removeprefix("X_"): environ.get(f"HTTP_{name}") for name in TOLD}).encode()]


class _Input:
    """A request's body, and the socket it comes from, as servers that middleware for certificates needs offer both."""

    def __init__(self, handler: WSGIRequestHandler) -> None:
        self.read = handler.rfile.read
        self.get_socket = lambda: handler.connection


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "client": _Input(self)}


def with_socket(app: Callable[..., Any]) -> Callable[..., Any]:
    """The application, given the client's connection."""
    return lambda environ, start: app({**environ, "wsgi.input": environ.pop("client")}, start)


settings = json.loads(sys.argv[1])
tls = [settings.pop(name, None) for name in ("certificate", "key", "authorities")]
guarded = with_socket(OAuth2mTlsProtocol(service, settings)) if all(tls) else AuthProtocol(service, settings)
with make_server("127.0.0.1", 0, guarded, handler_class=_Handler) as server:
    if all(tls):
        speaking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        speaking.load_cert_chain(*tls[:2])
        speaking.load_verify_locations(tls[2])
        speaking.verify_mode = ssl.CERT_OPTIONAL
        server.socket = speaking.wrap_socket(server.socket, server_side=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
