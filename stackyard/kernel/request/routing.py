"""From a method and a path to an endpoint: a tree of path segments, fixed words before placeholders."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import MethodNotAllowed, NotFound
from stackyard.kernel.request.endpoints import Endpoint


@dataclass
class _Segment:
    words: dict[str, "_Segment"] = field(default_factory=dict)
    placeholder: "_Segment | None" = None
    endpoints: dict[str, list[Endpoint]] = field(default_factory=dict)


class Router:
    """All endpoints of the cloud by path."""

    def __init__(self, endpoints: Iterable[Endpoint], rooms: Iterable[Room]) -> None:
        self._root = _Segment()
        self.rooms = list(rooms)
        self.endpoints = list(endpoints)
        longest_first = sorted(self.rooms, key=lambda room: len(room.path), reverse=True)
        self._rooms = [(room.path + "/", room) for room in longest_first]
        for endpoint in self.endpoints:
            self._add(endpoint)

    def _add(self, endpoint: Endpoint) -> None:
        at = self._root
        for segment in _split(endpoint.path):
            if segment.startswith("{"):
                at.placeholder = at.placeholder or _Segment()
                at = at.placeholder
            else:
                at = at.words.setdefault(segment, _Segment())
        at.endpoints.setdefault(endpoint.method, []).append(endpoint)

    def room(self, path: str) -> Room:
        """The room a path belongs to. Raises NotFound."""
        below = path + "/"
        for start, room in self._rooms:
            if below.startswith(start):
                return room
        known = ", ".join(sorted(room.path for room in self.rooms))
        raise NotFound(f"No service is at {path[:200]}.", remedy=f"Services are at {known}; /docs tells of them.")

    def candidates(self, method: str, path: str) -> list[Endpoint]:
        """The endpoints for a method and path, one per range of microversions. Raises NotFound, MethodNotAllowed."""
        found = _walk(self._root, _split(path), 0)
        if found is None:
            raise NotFound(
                "The resource could not be found.", remedy=f"There is nothing at {path[:200]}.", kind="HTTPNotFound"
            )
        chosen = found.endpoints.get(method) or (found.endpoints.get("GET") if method == "HEAD" else None)
        if chosen is None:
            allowed = ", ".join(sorted({*found.endpoints, *(["HEAD"] if "GET" in found.endpoints else [])}))
            raise MethodNotAllowed(
                f"{method} is not allowed at {path[:200]}.", remedy=f"Allowed: {allowed}.", headers={"Allow": allowed}
            )
        return chosen

    def is_public(self, path: str) -> bool:
        """Whether nothing at this path asks for a token."""
        found = _walk(self._root, _split(path), 0)
        return found is not None and all(each.token == "none" for given in found.endpoints.values() for each in given)


def _walk(at: _Segment, segments: list[str], index: int) -> _Segment | None:
    while index < len(segments):
        word, other = at.words.get(segments[index]), at.placeholder
        index += 1
        if word is not None and other is not None:
            # Either may lead there; which one, only the rest of the path tells.
            return _walk(word, segments, index) or _walk(other, segments, index)
        following = word or other
        if following is None:
            return None
        at = following
    return at if at.endpoints else None


def choose(candidates: list[Endpoint], asked: Version | None) -> Endpoint:
    """The endpoint that exists in this microversion. Raises NotFound."""
    for each in candidates:
        if each.lives_in(asked):
            return each
    first = min(str(each.since) for each in candidates)
    raise NotFound(f"This is not available in version {asked}.", remedy=f"Ask for version {first} or later.")


def params_of(endpoint: Endpoint, path: str) -> dict[str, str]:
    """The values of an endpoint's placeholders in a path that matched it."""
    if not endpoint.places:
        return {}
    segments = _split(path)
    return {name: segments[index] for index, name in endpoint.places}


def _split(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
