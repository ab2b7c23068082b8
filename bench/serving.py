"""A server process for the requests benchmark, served as `stackyard serve` does it. It ends when its input does.

It prints one line of JSON: its port, a member's token, and that member's project.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
from pathlib import Path
from typing import Any

import uvicorn

from bench.bare import application
from stackyard.assemble import Cloud
from stackyard.kernel import logs
from stackyard.kernel.settings import Settings
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
from stackyard.testing.cloud import FACTS, Worlds, free_port
from stackyard.testing.personas import Doors


class _Ways(Doors):
    def __init__(self, settings: Settings) -> None:
        self.settings = settings


def cloud(folder: Path, port: int, database: str) -> Cloud:
    """A whole cloud on fake drivers, logging as a real one does, but to nowhere."""
    settings = Settings(state_dir=folder, port=port, password_cost=4, database=database)
    worlds = Worlds()
    drivers = {
        "container": FakeContainers(worlds.container), "network": FakeNetworks(settings.cloud_id, worlds.network),
    }  # fmt: skip
    made = Cloud(settings=settings, drivers=drivers, facts=FACTS)
    made.prepare()
    made.connect()
    made.start()
    return made


def member(settings: Settings) -> dict[str, Any]:
    """Who asks: a member of the demo project."""
    demo = _Ways(settings).demo
    return {"port": settings.port, "token": demo.token, "project": demo.project_id}


async def serve(app: Any, port: int, ready: Any) -> None:
    """Serve until standard input ends; `ready` is called in a thread once the server answers."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps(await asyncio.to_thread(ready)), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


def run(app: Any, port: int, ready: Any) -> None:
    """Serve on uvloop."""
    import uvloop

    uvloop.run(serve(app, port, ready))


def main() -> None:
    """Serve the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["bare", "stackyard"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--project", default="")
    parser.add_argument("--database", default="")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    port = free_port()
    if asked.which == "bare":
        app, token = application(asked.folder, asked.project, asked.database)
        run(app, port, lambda: {"port": port, "token": token, "project": asked.project})
        return
    told, sys.stderr = sys.stderr, (asked.folder / "log").open("w")
    logs.begin()
    made = cloud(asked.folder, port, asked.database)
    profiler = cProfile.Profile() if asked.profile else None
    if profiler:
        profiler.enable()
    run(made.front, port, lambda: member(made.settings))
    if profiler:
        profiler.disable()
        pstats.Stats(profiler, stream=told).sort_stats("tottime").print_stats(45)
    made.stop()


if __name__ == "__main__":
    main()
