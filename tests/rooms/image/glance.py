"""A cloud with only the image room: real database, journal, HTTP server and files; tokens read 'project:role'."""

import json
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import Unauthorized
from stackyard.kernel.journal import Book, Workers
from stackyard.kernel.request.app import Front
from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.policy import Policies
from stackyard.kernel.request.routing import Router
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Services, SystemClock, Work
from stackyard.rooms.image.drivers.files import ID
from stackyard.rooms.image.resources.image.resource import IMAGE
from stackyard.rooms.image.room import ROOM

ADMIN, ALICE, BOB, READER = "ops:admin", "alice:member", "bob:member", "alice:reader"
PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = "application/octet-stream"
_IMPLIED = {"admin": ("admin", "manager", "member", "reader"), "member": ("member", "reader")}


def caller_of(tx: Transaction, token: str) -> Caller:
    """Who a test token stands for."""
    project, _, role = token.partition(":")
    if not role:
        raise Unauthorized("That token is not valid.")
    return Caller(user_id=f"user-of-{project}", project_id=project or None, roles=_IMPLIED.get(role, (role,)))


@dataclass
class Glance:
    """The running room, and a client of it."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    database_url: str = ""

    def start(self) -> None:
        """Bring it up on this folder, as after a start of the cloud."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.database = Database(self.database_url or f"sqlite:///{self.folder}/cloud.db")
        migrations.upgrade(self.database, [ROOM])
        self.book = Book([ROOM])
        settings = SimpleNamespace(base_url=self.url, state_dir=self.folder, **self.settings)
        self.services = Services(
            database=self.database,
            journal=self.book,
            policy=Policies([ROOM]),
            clock=SystemClock(),
            nodes=None,
            settings=settings,
            bound={},
            signal=lambda name: None,
        )
        assert ROOM.start is not None
        ROOM.start(self.services)
        self.workers = Workers(self.services, self.book)
        self.workers.start()
        self.front = Front(Chain(self.services, Router(endpoints(ROOM), [ROOM]), caller_of))
        config = uvicorn.Config(self.front, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listening],), daemon=True)
        self.thread.start()
        self.client = httpx.Client(base_url=self.url + "/image", timeout=30)
        wait_until(lambda: self.server.started)

    def stop(self) -> None:
        """Take it down."""
        self.client.close()
        self.server.should_exit = True
        self.thread.join(30)
        self.workers.stop()
        self.front.close()
        self.database.close()

    def __call__(self, method: str, path: str, token: str | None = ALICE, **more: Any) -> httpx.Response:
        headers = {**({"X-Auth-Token": token} if token else {}), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def image(self, token: str = ALICE, **attributes: Any) -> dict[str, Any]:
        """A new image."""
        body = {"name": "an image", "disk_format": "raw", "container_format": "bare", **attributes}
        answer = self("POST", "/v2/images", token, json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def upload(self, image_id: str, data: Any, token: str = ALICE, path: str = "file") -> httpx.Response:
        """Send an image's data."""
        return self("PUT", f"/v2/images/{image_id}/{path}", token, content=data, headers={"Content-Type": OCTETS})

    def active(self, data: bytes = b"data", token: str = ALICE, **attributes: Any) -> dict[str, Any]:
        """A new image with data."""
        image = self.image(token, **attributes)
        answer = self.upload(image["id"], data, token)
        assert answer.status_code == 204, answer.text
        return self.show(image["id"], token)

    def show(self, image_id: str, token: str = ALICE) -> dict[str, Any]:
        """An image as it is now."""
        answer = self("GET", f"/v2/images/{image_id}", token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def patch(self, image_id: str, *operations: Any, token: str = ALICE, media: str = PATCH) -> httpx.Response:
        """Change an image."""
        return self(
            "PATCH", f"/v2/images/{image_id}", token, content=_json(operations), headers={"Content-Type": media}
        )

    def names(self, query: str = "", token: str = ALICE) -> list[str]:
        """The names in a list."""
        answer = self("GET", f"/v2/images{query}", token)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["images"]]

    def files(self) -> list[str]:
        """Every file below the store's directory, but the one with the store's id."""
        found = (each for each in self.folder.glob("images/**/*") if each.is_file() and each.name != ID)
        return sorted(str(each.relative_to(self.folder / "images")) for each in found)

    def work(self, tx: Transaction, who: str) -> Work:
        """A unit of work as a project's member, or as the caller of a whole token."""
        return self.services.work(tx, caller_of(tx, who if ":" in who else f"{who}:member"), "req-test")

    def empty(self) -> None:
        """Take everything away, as if freshly made."""
        with self.database.write() as tx:
            for each in (IMAGE.table, *ROOM.tables):
                tx.delete(each)
        for each in self.files():
            (self.folder / "images" / each).unlink()
        self.services.settings.base_url = self.url


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def wait_until(reached: Any, seconds: float = 30) -> None:
    """Wait for a condition; fails when it is not reached in time."""
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, "not reached in time"
        time.sleep(0.02)


def main(folder: str, database_url: str) -> None:
    """Serve until killed; the first line printed is the URL."""
    service = Glance(Path(folder), database_url=database_url)
    service.start()
    print(service.url, flush=True)
    service.thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
