"""What a request for a container means: its image, its name, its ports, its restart policy."""

import re
import shlex
from typing import Any

from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image import facade as images

COMMAND_IS_A_LIST = Version(1, 20)

#: What the engine calls images that came from Glance. Nobody may ask for such a name: it could be another project's
#: image.
COPIES = "stackyard-glance"
_HIDDEN = re.compile(rf"^(.*/)?{COPIES}[:/@-]|^stackyard[-/]|^(sha256:)?[0-9a-f]{{12,64}}$")


def chosen_image(work: Work, wanted: Record) -> dict[str, Any]:
    """Where the image comes from. A bare name means Glance by name, then the engine's cache, then the registry.

    Raises BadRequest when Glance is asked for by driver and has no such image, or cannot serve it to a container."""
    found = images.find(work, wanted.image) if wanted.image_driver != "docker" else None
    if found is None:
        if wanted.image_driver == "glance":
            raise BadRequest(
                f"Image '{wanted.image}' was not found in Glance.",
                field="image",
                remedy="Give the name or id of an image you can see, or leave image_driver out.",
                kind="ImageNotFound",
            )
        return {"image_driver": "docker", "image_id": None, "image_reference": _registry_name(wanted.image)}
    if found.status != "active":
        raise Conflict(f"Image {found.id} is {found.status}, not active.", remedy="Upload its data first.")
    if found.container_format != "docker":
        raise BadRequest(
            f"Image {found.id} has container format '{found.container_format}'; a container needs 'docker'.",
            field="image",
        )
    reference = f"{copies_of(work.services.settings)}-{found.id}:{(found.checksum or 'none')[:12]}"
    return {"image_driver": "glance", "image_id": found.id, "image_reference": reference}


def copies_of(settings: Settings) -> str:
    """With what the names of engines' copies of this cloud's images begin. An engine may serve several clouds."""
    return f"{COPIES}-{settings.cloud_id}"


def _registry_name(name: str) -> str:
    if _HIDDEN.search(name):
        raise BadRequest(
            f"'{name}' is not the name of an image in a registry.", field="image", remedy="Give repository[:tag]."
        )
    return name


def restart_policy(wanted: Record) -> dict[str, Any] | None:
    """The policy in Zun's form; the retry count belongs to on-failure only."""
    policy = wanted.restart_policy
    if not policy:
        return None
    count = policy.get("MaximumRetryCount") or 0
    if count and policy["Name"] != "on-failure":
        raise invalid("restart_policy", "MaximumRetryCount goes with on-failure only.")
    if policy["Name"] != "no" and wanted.auto_remove:
        raise invalid("restart_policy", "cannot be combined with auto_remove.")
    return {"Name": policy["Name"], "MaximumRetryCount": str(count)}


def exposed_ports(wanted: Record) -> list[tuple[str, int]]:
    """The protocols and port numbers that the container says it listens on."""
    ports = set()
    for entry in wanted.get("exposed_ports") or {}:
        number, _, protocol = entry.partition("/")
        if not number.isdecimal() or not 1 <= int(number) <= 65535 or protocol not in ("", "tcp", "udp"):
            raise invalid("exposed_ports", f"'{entry}' is not of the form port/tcp or port/udp.")
        ports.add((protocol or "tcp", int(number)))
    return sorted(ports)


def words(command: Any, version: Version | None) -> list[str] | None:
    """The command as words: a list since 1.20, a string for a shell to split before that."""
    if command is None:
        return None
    if isinstance(command, list) and (version is None or version >= COMMAND_IS_A_LIST):
        return command
    if isinstance(command, list):
        raise BadRequest("The command must be a string before version 1.20.", field="command")
    if version is None or version >= COMMAND_IS_A_LIST:
        raise BadRequest("The command must be a list of words since version 1.20.", field="command")
    try:
        return shlex.split(command)
    except ValueError as error:
        raise BadRequest(f"The command cannot be split into words: {error}.", field="command") from error


_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip


def generated_name(identity: str) -> str:
    """A name for a container that was given none, such as zeta-22-container."""
    number = int(identity.replace("-", "")[:8], 16)
    return f"{_GREEK[number % len(_GREEK)]}-{number // len(_GREEK) % 100}-container"
