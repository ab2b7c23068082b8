"""What `stackyard status` prints."""

from typing import Any

from stackyard.cli.status import lines

STATUS: dict[str, Any] = {
    "base_url": "http://127.0.0.1:8800", "region": "RegionOne", "phase": "ready", "seconds": 3725.4, "pid": 7,
    "memory_mib": 100, "version": "0.1.0", "state_dir": "/state", "cloud_id": "ab12", "engine": "unix:///docker.sock",
    "services": ["identity", "container"],
    "nodes": [{"name": "here", "connected": True}, {"name": "there", "connected": False}],
    "operations": {"running": 2}, "warnings": [], "health": {"database": "", "node": "node here is not connected"},
    "reconcilers": [
        {"name": "network", "error": None, "runs": 1,
         "report": {"examined": 3, "repaired": ["a was made", "b was made"], "failed": ["c has no room"]}},
        {"name": "image", "error": "OSError: gone", "runs": 2, "report": None},
        {"name": "hosts", "error": None, "runs": 0, "report": None},
    ],
}  # fmt: skip


def test_the_status_says_how_everything_is_in_a_line_each() -> None:
    said = "\n".join(lines(STATUS))
    assert "ready, up for 1 h 2 min" in said
    assert "services     identity, container" in said
    assert "engine       unix:///docker.sock" in said
    assert "here: connected" in said
    assert "there: gone" in said
    assert "ready        no: node: node here is not connected" in said
    assert "2 running" in said
    assert "ran once, last looked at 3, mended 2" in said
    assert "cannot mend: c has no room" in said
    assert "failed: OSError: gone" in said
    assert "has not run yet" in said


def test_what_stands_in_the_clouds_way_is_a_warning() -> None:
    assert lines({**STATUS, "warnings": ["The host's firewall drops forwarded packets."]})[-1].startswith("warning")
    assert lines({**STATUS, "operations": {}})[9].endswith("nothing to do")
    assert "engine" not in "".join(lines({**STATUS, "engine": None}))
    assert "ready        yes" in lines({**STATUS, "health": {"database": ""}})
