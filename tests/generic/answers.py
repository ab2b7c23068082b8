"""What answers look like in each microversion: every GET of every versioned service, asked in all its versions. The
golden file is `answers.txt`.

    .venv/bin/python -m tests.generic.answers --write      after a change that is meant; review its diff

What a route's oldest version answers comes first: the status, and the members of the answer by their path (`[]` for
the items of a list, `[self]` for a link of that relation, `*` for keys that are data). Then what came and what went,
and in which version.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.request.endpoints import endpoints
from tests.generic import golden
from tests.kernel.stage import Stage

GOLDEN = Path(__file__).with_name("answers.txt")
_QUERIES = {
    "/placement/allocation_candidates": "resources=MEMORY_MB:1", "/placement/usages": "project_id={project}",
    "/container/v1/containers": "all_projects=1",
}  # fmt: skip
#: Keys that are ids, classes of resources, or names of networks and labels.
_DATA = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}.*|[A-Z][A-Z0-9_]+|eth\d+|")


class Answers:
    """Asks a cloud with a container that runs, on a host with traits and in an aggregate."""

    def __init__(self, staged: Stage) -> None:
        self._staged = staged
        self._named = _populate(staged)

    def lines(self) -> Iterator[str]:
        """The golden text."""
        for room in self._staged.cloud.rooms:
            if room.versions:
                found = [each for each in endpoints(room) if each.method == "GET" and each.status != 501]
                for path in sorted({each.path for each in found}):
                    yield from self._of_route(room, path)

    def _of_route(self, room: Room, path: str) -> Iterator[str]:
        yield f"GET {path}"
        before: frozenset[str] = frozenset()
        for version in versions_of(room):
            now = self._asked(room, path, version)
            if now != before:
                yield from (f"    {version} + {each}" for each in sorted(now - before))
                yield from (f"    {version} - {each}" for each in sorted(before - now))
            before = now

    def _asked(self, room: Room, path: str, version: Version) -> frozenset[str]:
        assert room.versions is not None
        url = self._filled(path)
        if query := _QUERIES.get(path):
            url += f"?{query.format_map(self._named)}"
        header = {"OpenStack-API-Version": f"{room.versions.service_type} {version}"}
        answer = self._staged.request("GET", url, user="admin", **header)
        if not answer.is_success:
            return frozenset({str(answer.status_code)})
        is_json = "json" in answer.headers.get("content-type", "")
        return frozenset({str(answer.status_code), *(members(answer.json()) if is_json else ())})

    def _filled(self, path: str) -> str:
        """The path with the ids of what is there."""
        filled: list[str] = []
        for word in path.split("/"):
            known = self._named.get(f"{filled[-1]}/{word}") or self._named.get(word) if word[:1] == "{" else word
            assert known is not None, f"{path}: say in _populate what {word} is"
            filled.append(known)
        return "/".join(filled)


def versions_of(room: Room) -> Iterator[Version]:
    """All of a room's microversions, the oldest first."""
    assert room.versions is not None
    least, most = room.versions.minimum, room.versions.maximum
    return (Version(least.major, minor) for minor in range(least.minor, most.minor + 1))


def members(value: Any, at: str = "") -> Iterator[str]:
    """The paths of all members of a JSON value."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            below = f"{at}.{'*' if _DATA.fullmatch(name) else name}".lstrip(".")
            yield below
            yield from members(each, below)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from members(each, f"{at}[{each.get('rel', '') if isinstance(each, Mapping) else ''}]")


def _populate(staged: Stage) -> Mapping[str, str]:
    """What each placeholder of a path stands for."""
    wanted = {"image": "web", "labels": {"LABEL": "x"}, "memory": "64", "exposed_ports": {"80/tcp": {}}}
    container = staged.ask("POST", "/container/v1/containers?run=true", wanted)
    image = staged.ask("POST", "/container/v1/images", {"repo": "db"}, user="admin")["uuid"]
    staged.perform()
    actions = staged.ask("GET", f"/container/v1/containers/{container['uuid']}/container_actions")
    host = staged.ask("GET", "/container/v1/hosts", user="admin")["hosts"][0]["uuid"]
    provider = _provider(staged)
    return {
        "containers/{id}": container["uuid"], "images/{id}": image, "hosts/{id}": host,
        "{consumer_uuid}": container["uuid"],
        "{request_id}": next(iter(actions.values()))[0]["request_id"], "{project_id}": container["project_id"],
        "project": container["project_id"], "resource_providers/{id}": provider, "{resource_class}": "MEMORY_MB",
        "quota_classes/{name}": "default", "resource_classes/{name}": "MEMORY_MB", "traits/{name}": "CUSTOM_FAST",
    }  # fmt: skip


def _provider(staged: Stage) -> str:
    """The host's provider, with a trait, in an aggregate."""
    version = {"OpenStack-API-Version": "placement 1.39"}

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = staged.request(method, f"/placement/{path}", body, user="admin", **version)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    [provider] = ask("GET", "resource_providers")["resource_providers"]
    here = f"resource_providers/{provider['uuid']}"
    ask("PUT", "traits/CUSTOM_FAST")
    known = ask("GET", f"{here}/traits")
    ask("PUT", f"{here}/traits", {**known, "traits": [*known["traits"], "CUSTOM_FAST"]})
    known = ask("GET", f"{here}/aggregates")
    ask("PUT", f"{here}/aggregates", {**known, "aggregates": ["00000000-0000-4000-8000-00000000000a"]})
    return str(provider["uuid"])


def current(folder: Path) -> str:
    """The golden text of this code."""
    return golden.text(folder, lambda staged: Answers(staged).lines())


if __name__ == "__main__":
    golden.command(__doc__, GOLDEN, current)
