"""A server process for the requests benchmark, served as `stackyard serve` does it. It ends when its input does.

It says "ready" once it answers. It imports what a server imports and nothing of the test kit, so that its memory is
a server's.
"""

import argparse
import asyncio
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, TextIO

import uvicorn
import uvloop

from stackyard.assemble import Cloud
from stackyard.kernel import logs
from stackyard.kernel.settings import ALL, Settings
from stackyard.kernel.storage import apart


def cloud(folder: Path, port: int, database: str, services: list[str]) -> Cloud:
    """A cloud on fake drivers, logging as a real one does, but to nowhere."""
    settings = Settings(state_dir=folder, port=port, password_cost=4, database=database, services=services)
    made = Cloud(settings=settings, drivers=lambda names: _drivers(settings, names), upgrade=apart.upgrade)
    made.prepare()
    made.connect()
    made.start()
    return made


def _drivers(settings: Settings, names: Collection[str]) -> dict[str, object]:
    # Imported here because a server of other services has none of it.
    found: dict[str, object] = {}
    if "network" in names:
        from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
        from stackyard.rooms.network.drivers.fake import World as NetworkWorld

        found["network"] = FakeNetworks(settings.cloud_id, NetworkWorld())
    if "container" in names:
        from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
        from stackyard.rooms.container.drivers.fake.world import World as ContainerWorld

        found["container"] = FakeContainers(ContainerWorld())
    return found


async def serve(app: Any, port: int) -> None:
    """Serve until standard input ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


def main() -> None:
    """Serve the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["bare", "stackyard"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--token", default="", help="that the bare one takes")
    parser.add_argument("--project", default="", help="of that token")
    parser.add_argument("--database", default="")
    parser.add_argument("--services", default=ALL, help="those to serve, with commas between")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    if asked.which == "bare":
        from bench.bare import application

        uvloop.run(serve(application(asked.folder, asked.token, asked.project, asked.database), asked.port))
        return
    told, sys.stderr = sys.stderr, (asked.folder / "log").open("w")
    logs.begin()
    made = cloud(asked.folder, asked.port, asked.database, asked.services.split(","))
    if asked.profile:
        _profiled(made, told)
    else:
        uvloop.run(serve(made.front, asked.port))
    made.stop()


def _profiled(made: Cloud, told: TextIO) -> None:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.enable()
    uvloop.run(serve(made.front, made.settings.port))
    profiler.disable()
    pstats.Stats(profiler, stream=told).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
