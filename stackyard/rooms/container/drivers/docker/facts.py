"""From the Engine API's words to the contract's: failures, states, names."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from docker import APIClient
from docker.errors import APIError

from stackyard.hosts.docker import DockerEngine, EngineDown, EngineError, EngineSilent
from stackyard.rooms.container.driver import (
    Conflict,
    ContainerState,
    DriverError,
    EngineRefused,
    EngineUnavailable,
    Image,
    NoSpace,
    NotFound,
    Status,
)

CLOUD = "stackyard.cloud"
KIND = "stackyard.kind"
ID = "stackyard.id"
SANDBOX = "stackyard.sandbox"

Details = dict[str, Any]
"""What the engine answers about one object."""

_PASSING = ("shutting down", "transport is closing", "containerd.sock", "error while dialing", "context canceled")
_STATUSES = {
    "created": Status.CREATED,
    "running": Status.RUNNING,
    "paused": Status.PAUSED,
    "restarting": Status.RESTARTING,
    "exited": Status.STOPPED,
    "dead": Status.DEAD,
    "removing": Status.DEAD,
}


class Names:
    """How one cloud's objects are called in the engine. Label and name together make one ours: images have labels."""

    def __init__(self, cloud: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,23}", cloud):
            raise ValueError(f"cloud id {cloud!r}: use 1 to 24 lower-case letters, digits and dashes")
        self.cloud = cloud
        self.pause_image = f"stackyard-{cloud}/sandbox:1"

    def container(self, id: str) -> str:
        return f"stackyard-{self.cloud}-{_checked(id)}"

    def sandbox(self, id: str) -> str:
        return f"stackyard-{self.cloud}-sandbox-{_checked(id)}"

    def labels(self, kind: str, id: str) -> dict[str, str]:
        return {CLOUD: self.cloud, KIND: kind, ID: id}

    def owned(self, name: str, labels: dict[str, str]) -> bool:
        kind, id = labels.get(KIND, ""), labels.get(ID, "")
        expected = {"container": self.container, "sandbox": self.sandbox}.get(kind)
        return bool(expected and id and labels.get(CLOUD) == self.cloud and name.lstrip("/") == expected(id))


def _checked(id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", id):
        raise EngineRefused(f"{id!r} cannot be the id of a container")
    return id


@contextlib.contextmanager
def calls(engine: DockerEngine, subject: str = "") -> Iterator[APIClient]:
    """The engine's client, with failures in the contract's terms: NotFound for 404, Conflict for 409, and so on."""
    try:
        with engine.calls() as api:
            yield api
    except (EngineDown, EngineSilent) as error:
        raise EngineUnavailable(str(error), subject) from error
    except EngineError as error:
        raise failure(error, subject) from error


class AlreadyThere(Exception):
    """A former call has created it."""


def create(api: APIClient, name: str, **settings: Any) -> None:
    """Create a container. AlreadyThere when there is one of that name."""
    try:
        api.create_container(name=name, **settings)
    except APIError as error:
        if error.status_code == 409 and "already in use" in str(error):
            raise AlreadyThere from error
        raise


def failure(error: EngineError, subject: str) -> DriverError:
    """What an error of the engine means, when nothing more is known than its status and words."""
    words = error.reason.lower()
    if "no space left on device" in words:
        return NoSpace(error.reason, subject)
    if error.status == 503 or any(sign in words for sign in _PASSING):
        return EngineUnavailable(error.reason, subject)
    kinds: dict[int, type[DriverError]] = {404: NotFound, 409: Conflict}
    return kinds.get(error.status, EngineRefused)(error.reason, subject)


def moment(time: str | None) -> str | None:
    """The engine's time, None for its way to say never."""
    return None if not time or time.startswith("0001-") else time


def container_state(details: Details) -> ContainerState:
    """What `inspect` of a container says."""
    state, labels = details["State"], details["Config"]["Labels"] or {}
    status = _STATUSES.get(state["Status"], Status.DEAD)
    ended = status in (Status.STOPPED, Status.DEAD)
    return ContainerState(
        id=labels.get(ID, ""),
        engine_id=details["Id"],
        status=status,
        image_id=details["Image"],
        sandbox_id=labels.get(SANDBOX, ""),
        pid=state["Pid"],
        exit_code=state["ExitCode"] if ended else None,
        created_at=moment(details["Created"]),
        started_at=moment(state["StartedAt"]),
        finished_at=moment(state["FinishedAt"]) if ended else None,
        error=state["Error"],
        out_of_memory=bool(state["OOMKilled"]),
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
    )


def image(details: Details) -> Image:
    """What `inspect` of an image says."""
    config = details.get("Config") or {}
    return Image(
        id=details["Id"],
        names=sorted(details.get("RepoTags") or []),
        size=details["Size"],
        architecture=details.get("Architecture", ""),
        created_at=moment(details.get("Created")),
        command=[*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])],
    )
