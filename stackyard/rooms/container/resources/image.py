"""Images pulled onto a host ahead of use: `appcontainer image pull`. Source: Zun API reference."""

from datetime import timedelta
from typing import cast

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import (
    Field,
    Id,
    Internal,
    Lifecycle,
    Operation,
    Project,
    ReadOnly,
    Resource,
    Timestamps,
)
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.steps import Steps
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.driver import ContainerDriver, ImageNotFound, PullPolicy
from stackyard.rooms.container.policies import administers


def _pull(work: Work, wanted: Record) -> Record:
    """Accept a pull onto one host (the first, when none is named)."""
    hosts = work.services.nodes.names()
    host = wanted.get("host") or (hosts[0] if hosts else None)
    if host not in hosts:
        raise BadRequest(
            f"There is no connected host '{host}'.",
            field="host",
            remedy=f"Connected are: {', '.join(hosts) or 'none'}.",
        )
    repo, _, tag = wanted.repo.partition(":") if "/" not in wanted.repo.rpartition(":")[2] else (wanted.repo, "", "")
    if work.tx.get(IMAGE.table, repo=repo, tag=tag or "latest", host=host):
        raise Conflict(f"Image {repo}:{tag or 'latest'} is on host {host} already.")
    record = rows.insert(work, IMAGE, {"repo": repo, "tag": tag or "latest", "host": host, "status": "Pulling"})
    work.begin(IMAGE, record, "pull")
    return record


def _run_pull(steps: Steps, image: Record) -> None:
    driver = cast(ContainerDriver, steps.nodes.driver(image.host, "container"))
    pulled = steps.call("pull the image", driver.pull_image, f"{image.repo}:{image.tag}", PullPolicy.IF_NOT_PRESENT)
    steps.end("is pulled", _pulled, image.uuid, pulled.id, pulled.size)


def _pulled(work: Work, uuid: str, image_id: str, size: int) -> None:
    work.tx.update(IMAGE.table, {"image_id": image_id, "size": str(size), "status": "Available"}, uuid=uuid)


def _delete(work: Work, image: Record, query: Record) -> None:
    work.begin(IMAGE, image, "delete")


def _run_delete(steps: Steps, image: Record) -> None:
    driver = cast(ContainerDriver, steps.nodes.driver(image.host, "container"))
    steps.call("remove the image", _remove_if_there, driver, f"{image.repo}:{image.tag}")
    steps.end("is deleted", _forget, image)


def _remove_if_there(driver: ContainerDriver, name: str) -> None:
    try:
        driver.remove_image(name)
    except ImageNotFound:
        return


def _forget(work: Work, image: Record) -> None:
    rows.remove(work, IMAGE, image)


IMAGE = Resource(
    name="image",
    path="/v1/images",
    id_field="uuid",
    table_name="pulled_images",
    fields=[
        Id(name="uuid"),
        Project(admin="role:admin"),
        ReadOnly("image_id", Text(), null=True, default=None),
        Field(name="repo", kind=Text(min=2, pattern=r"[a-zA-Z0-9][a-zA-Z0-9_.:/-]*"), required=True, update=False),
        ReadOnly("tag", Text(), null=True),
        ReadOnly("size", Text(), null=True, default=None),
        Field(name="host", kind=Text(min=1), null=True, default=None, update=False),
        Internal("status", Text(), default="Pulling"),
        Internal("status_reason", Text(max=None)),
        *Timestamps(),
    ],
    verbs=("list", "show", "create", "delete"),
    policy={
        "list": administers("get_all", "image"),
        "show": administers("get_one", "image"),
        "create": administers("pull", "image"),
        "delete": administers("delete", "image"),
    },
    life=Lifecycle(stable=("Available", "Error"), allows={"delete": ("Available", "Error")}),
    operations={
        "pull": Operation(run=_run_pull, state="Pulling", within=timedelta(minutes=15), failing_to="Error"),
        "delete": Operation(
            run=_run_delete, state="Deleting", within=timedelta(minutes=5), failing_to="Error", overtakes=True
        ),
    },
    create=_pull,
    delete=_delete,
)
