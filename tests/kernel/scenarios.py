"""How an object gets to where each operation begins, how that is asked for, and where it ends: one line per
operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.kernel.stage import Stage

#: Which operation: its room, its resource, its action.
Place = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """prepare: brings an object to the state from which the operation begins (its id; "" when the request makes it).
    ask: the request; returns the object's id. ends: its state in the end, or None when it is gone then. clear: asks for
    its end. undone: when it is given up, hosts hold no more than before."""

    prepare: Callable[[Stage], str]
    ask: Callable[[Stage, str], str]
    ends: str | None
    clear: Callable[[Stage, str], None]
    undone: bool = False


# -- containers --

_CONTAINERS = "/container/v1/containers"


def _new(stage: Stage, query: str = "", **more: object) -> str:
    return str(stage.ask("POST", f"{_CONTAINERS}{query}", {"image": "web", **more})["uuid"])


def _nothing(stage: Stage) -> str:
    return ""


def _created(stage: Stage) -> str:
    uuid = _new(stage)
    stage.perform()
    return uuid


def _running(stage: Stage) -> str:
    uuid = _new(stage, "?run=true")
    stage.perform()
    return uuid


def _stopped(stage: Stage) -> str:
    uuid = _running(stage)
    stage.ask("POST", f"{_CONTAINERS}/{uuid}/stop")
    stage.perform()
    return uuid


def _paused(stage: Stage) -> str:
    uuid = _running(stage)
    stage.ask("POST", f"{_CONTAINERS}/{uuid}/pause")
    stage.perform()
    return uuid


def _ended_by_itself(stage: Stage) -> str:
    """Its process is gone, and it is to be restarted soon."""
    uuid = _new(stage, "?run=true", restart_policy={"Name": "always"})
    stage.perform()
    stage.worlds.container.dies(uuid, 1)
    stage.cloud.reconcilers.run_once("containers")
    stage.clock.pass_(2)
    return uuid


def _on_two_networks(stage: Stage) -> str:
    uuid = _running(stage)
    _attach(stage, uuid)
    stage.perform()
    return uuid


def _network(stage: Stage) -> str:
    return str(stage.ask("GET", "/networking/v2.0/networks?router:external=false")["networks"][0]["id"])


def _port_of(stage: Stage, uuid: str) -> str:
    ports = stage.ask("GET", f"/networking/v2.0/ports?device_id={uuid}")["ports"]
    return str(ports[-1]["id"])


def _attach(stage: Stage, uuid: str) -> str:
    return _post(f"network_attach?network={_network(stage)}")(stage, uuid)


def _detach(stage: Stage, uuid: str) -> str:
    return _post(f"network_detach?port={_port_of(stage, uuid)}")(stage, uuid)


def _post(suffix: str) -> Callable[[Stage, str], str]:
    def ask(stage: Stage, uuid: str) -> str:
        stage.ask("POST", f"{_CONTAINERS}/{uuid}/{suffix}")
        return uuid

    return ask


def _revive(stage: Stage, uuid: str) -> str:
    stage.cloud.reconcilers.run_once("containers")
    return uuid


def _update(stage: Stage, uuid: str) -> str:
    stage.ask("PATCH", f"{_CONTAINERS}/{uuid}", {"memory": 256})
    return uuid


def _delete(query: str) -> Callable[[Stage, str], str]:
    def ask(stage: Stage, uuid: str) -> str:
        stage.ask("DELETE", f"{_CONTAINERS}/{uuid}{query}", user="admin")
        return uuid

    return ask


def _by_force(stage: Stage, uuid: str) -> None:
    stage.request("DELETE", f"{_CONTAINERS}/{uuid}?force=true", user="admin")


def _container(
    prepare: Callable[[Stage], str], ask: Callable[[Stage, str], str], ends: str | None, *, undone: bool = False
) -> Scenario:
    return Scenario(prepare=prepare, ask=ask, ends=ends, clear=_by_force, undone=undone)


# -- images on hosts --


def _pull(stage: Stage, _: str) -> str:
    return str(stage.ask("POST", "/container/v1/images", {"repo": "db"}, user="admin")["uuid"])


def _pulled(stage: Stage) -> str:
    uuid = _pull(stage, "")
    stage.perform()
    return uuid


def _remove_image(stage: Stage, uuid: str) -> str:
    stage.ask("DELETE", f"/container/v1/images/{uuid}", user="admin")
    return uuid


def _clear_image(stage: Stage, uuid: str) -> None:
    stage.request("DELETE", f"/container/v1/images/{uuid}", user="admin")


# -- images --


def _staged(stage: Stage) -> str:
    wanted = {"name": "imported", "container_format": "bare", "disk_format": "raw"}
    image = str(stage.ask("POST", "/image/v2/images", wanted)["id"])
    stage.upload(f"/image/v2/images/{image}/stage", b"the data of an image")
    return image


def _import(stage: Stage, image: str) -> str:
    stage.ask("POST", f"/image/v2/images/{image}/import", {"method": {"name": "glance-direct"}})
    return image


def _delete_image(stage: Stage, image: str) -> None:
    stage.request("DELETE", f"/image/v2/images/{image}")


def _queued(stage: Stage, _: str) -> str:
    wanted = {"name": "walked", "container_format": "bare", "disk_format": "raw"}
    return str(stage.ask("POST", "/image/v2/images", wanted)["id"])


def _put(suffix: str) -> Callable[[Stage, str], str]:
    def ask(stage: Stage, image: str) -> str:
        stage.upload(f"/image/v2/images/{image}/{suffix}", b"the data of an image")
        return image

    return ask


def _act(suffix: str) -> Callable[[Stage, str], str]:
    def ask(stage: Stage, image: str) -> str:
        stage.ask("POST", f"/image/v2/images/{image}/actions/{suffix}", user="admin")
        return image

    return ask


def _drop_image(stage: Stage, image: str) -> str:
    stage.ask("DELETE", f"/image/v2/images/{image}")
    return image


# -- projects --


def _holding(stage: Stage) -> str:
    """A project with a network."""
    project = str(
        stage.ask("POST", "/identity/v3/projects", {"project": {"name": "going"}}, user="admin")["project"]["id"]
    )
    stage.ask("POST", "/networking/v2.0/networks", {"network": {"project_id": project}}, user="admin")
    return project


def _cascade(stage: Stage, project: str) -> str:
    stage.ask("DELETE", f"/identity/v3/projects/{project}?cascade=true", user="admin")
    return project


def _clear_project(stage: Stage, project: str) -> None:
    stage.request("DELETE", f"/identity/v3/projects/{project}?cascade=true", user="admin")


SCENARIOS: Mapping[Place, Scenario] = {
    ("container", "container", "create"): _container(
        _nothing, lambda stage, _: _new(stage, "?run=true"), "Running", undone=True
    ),
    ("container", "container", "start"): _container(_stopped, _post("start"), "Running"),
    ("container", "container", "revive"): _container(_ended_by_itself, _revive, "Running"),
    ("container", "container", "stop"): _container(_running, _post("stop"), "Stopped"),
    ("container", "container", "reboot"): _container(_running, _post("reboot"), "Running"),
    ("container", "container", "pause"): _container(_running, _post("pause"), "Paused"),
    ("container", "container", "unpause"): _container(_paused, _post("unpause"), "Running"),
    ("container", "container", "kill"): _container(_running, _post("kill?signal=SIGKILL"), "Stopped"),
    ("container", "container", "update"): _container(_running, _update, "Running"),
    ("container", "container", "attach_network"): _container(_running, _attach, "Running"),
    ("container", "container", "detach_network"): _container(_on_two_networks, _detach, "Running"),
    ("container", "container", "delete"): _container(_created, _delete(""), None),
    ("container", "container", "stop_and_delete"): _container(_running, _delete("?stop=true"), None),
    ("container", "container", "force_delete"): _container(_paused, _delete("?force=true"), None),
    ("container", "image", "pull"): Scenario(prepare=_nothing, ask=_pull, ends="Available", clear=_clear_image),
    ("container", "image", "delete"): Scenario(prepare=_pulled, ask=_remove_image, ends=None, clear=_clear_image),
    ("identity", "project", "purge"): Scenario(prepare=_holding, ask=_cascade, ends=None, clear=_clear_project),
    ("image", "image", "import"): Scenario(prepare=_staged, ask=_import, ends="active", clear=_delete_image),
}

#: Requests that move an object without an operation: what walks do besides the operations above.
MOVES: Mapping[tuple[str, str], Mapping[str, Callable[[Stage, str], str]]] = {
    ("image", "image"): {
        "create": _queued, "upload": _put("file"), "stage": _put("stage"), "deactivate": _act("deactivate"),
        "reactivate": _act("reactivate"), "delete": _drop_image,
    },
}  # fmt: skip
