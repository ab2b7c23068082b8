"""A real server that is told to stop, or to go on in another log."""

import os
import signal

import httpx
import pytest

from stackyard.testing.real_cloud import RealCloud, eventually, real_cloud

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def status_of(cloud: RealCloud, path: str) -> int | None:
    """What a page answers; None when nobody does."""
    try:
        return httpx.get(f"{cloud.url}{path}", trust_env=False, timeout=30).status_code
    except httpx.TransportError:
        return None


def test_a_server_that_is_to_stop_says_so_and_goes_on_for_those_who_do_not_know_yet() -> None:
    with real_cloud(drain=5) as cloud:
        cloud.up()
        demo, pid = cloud.demo, cloud.status()["pid"]
        assert status_of(cloud, "/readyz") == 200

        logs = cloud.settings.state_dir / "logs"
        (logs / "server.log").rename(logs / "aside")
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: (logs / "server.log").exists() or None, 10, "it does not go on in a new log")

        os.kill(pid, signal.SIGTERM)
        eventually(lambda: True if status_of(cloud, "/readyz") == 503 else None, 4, "it does not say that it stops")
        assert status_of(cloud, "/livez") == 200
        demo.get("/networking/v2.0/networks")
        assert cloud.status()["health"]["draining"] == "the server is stopping"
        eventually(lambda: cloud.is_dead() or None, 30, "it does not stop")

        cloud.up()
        assert status_of(cloud, "/readyz") == 200
