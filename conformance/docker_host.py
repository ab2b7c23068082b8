"""What two tests of the container suite expect beside the cloud: a Docker on localhost:2375 that can pull `alpine`.

It forwards to the cloud's own engine. A pull tags an image that is there, since no registry may be in reach.
"""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from stackyard.hosts.unix_http import UnixConnection

PORT = 2375


@contextmanager
def docker_host(socket: Path, image: str) -> Iterator[None]:
    """Answer until the block ends. `image`: what every pull gets. OSError when somebody else has the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._forward(self.path)

        def do_DELETE(self) -> None:
            self._forward(self.path)

        def do_POST(self) -> None:
            asked = urlsplit(self.path)
            if not asked.path.endswith("/images/create"):
                self._forward(self.path)
                return
            wanted = parse_qs(asked.query)
            self._forward(f"/images/{image}/tag?repo={wanted['fromImage'][0]}&tag={wanted['tag'][0]}")

        def _forward(self, target: str) -> None:
            engine = UnixConnection(socket, 60)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            engine.request(self.command, target, body, {"Content-Type": self.headers.get("Content-Type") or ""})
            answer = engine.getresponse()
            said = answer.read()
            engine.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type") or "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
