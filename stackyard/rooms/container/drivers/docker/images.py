"""Images in a Docker engine."""

import errno
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from docker.utils import parse_repository_tag

from stackyard.hosts import container_image
from stackyard.hosts.container_image import BadArchive
from stackyard.hosts.docker import DockerEngine, EngineDown, EngineError, EngineSilent
from stackyard.rooms.container.driver import (
    Conflict,
    DriverError,
    EngineRefused,
    EngineUnavailable,
    Image,
    ImageNotFound,
    ImageRefused,
    NoSpace,
    NotFound,
    NotSupported,
    PullCancelled,
    PullPolicy,
    RegistryFailed,
)
from stackyard.rooms.container.drivers.docker import facts

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Images:
    """The part of the driver that deals with images; see the contract for what each method promises."""

    def __init__(self, engine: DockerEngine, pause_image: str, spool: Path | None) -> None:
        self._engine = engine
        self._pause_image = pause_image
        self._spool = spool

    def image(self, name: str) -> Image:
        found = self._inspect(name)
        # The engine also takes the beginning of an image's id for a name, which may be another tenant's.
        if found.id.removeprefix("sha256:") == name.removeprefix("sha256:") or _full_name(name) in found.names:
            return found
        if "@" in name:
            return found
        raise ImageNotFound("the engine has no such image", name)

    def images(self) -> list[Image]:
        with facts.calls(self._engine) as api:
            listed = api.images()
        named = sorted((name, each["Id"]) for each in listed for name in each["RepoTags"] or [])
        ids = dict.fromkeys(id for name, id in named if name not in (self._pause_image, "<none>:<none>"))
        found = []
        for id in ids:
            with suppress(ImageNotFound):  # removed meanwhile
                found.append(self._inspect(id))
        return found

    def pull(self, name: str, policy: PullPolicy, cancel: threading.Event | None) -> Image:
        if policy != PullPolicy.ALWAYS:
            try:
                return self.image(name)
            except ImageNotFound:
                if policy == PullPolicy.NEVER:
                    raise
        _stop_if(cancel, name)
        repository, tag = parse_repository_tag(name)
        parameters = {"fromImage": repository, "tag": tag or "latest"}
        self._follow("/images/create", parameters, name, cancel, failed=_pull_failure)
        return self.image(name)

    def load(self, name: str, data: Iterable[bytes], cancel: threading.Event | None) -> Image:
        try:
            with tempfile.TemporaryFile(dir=self._spool) as file:
                _spool(data, file, name, cancel)
                archive = container_image.renamed(file, _full_name(name))
                self._follow("/images/load", {"quiet": "1"}, name, cancel, failed=_load_failure, data=archive)
        except BadArchive as error:
            raise ImageRefused(str(error), name) from error
        return self.image(name)

    def export(self, name: str) -> Iterator[bytes]:
        self.image(name)
        with facts.calls(self._engine, name) as api:
            return iter(api.get_image(name))

    def tag(self, name: str, new_name: str) -> Image:
        repository, tag = parse_repository_tag(new_name)
        found = self.image(name)
        with facts.calls(self._engine, new_name) as api:
            api.tag(found.id, repository, tag or "latest")
        return self.image(new_name)

    def remove(self, name: str) -> None:
        with suppress(ImageNotFound):
            found = self.image(name)
            try:
                with facts.calls(self._engine, name) as api:
                    api.remove_image(found.id if len(found.names) < 2 else name)
            except NotFound:
                return

    def build_busybox(self, name: str) -> Image:
        return self._build(name, ["/bin/sh"])

    def ensure_pause(self) -> str:
        """The image of the pause containers, made when the engine has it not."""
        try:
            self._inspect(self._pause_image)
        except ImageNotFound:
            self._build(self._pause_image, ["/bin/busybox", "sleep", "infinity"])
        return self._pause_image

    def remove_pause(self) -> None:
        with suppress(ImageNotFound, Conflict):
            self.remove(self._pause_image)

    def _build(self, name: str, command: list[str]) -> Image:
        try:
            tree = container_image.busybox_tree()
        except container_image.NoBusybox as error:
            raise NotSupported(str(error), name) from error
        archive = container_image.saved(_full_name(name), tree, {"Cmd": command, "Env": [_PATH]})
        self._follow("/images/load", {"quiet": "1"}, name, None, failed=_load_failure, data=archive)
        return self.image(name)

    def _inspect(self, name: str) -> Image:
        try:
            with facts.calls(self._engine, name) as api:
                return facts.image(api.inspect_image(name))  # type: ignore[no-untyped-call]
        except NotFound as error:
            raise ImageNotFound(error.reason, name) from error
        except EngineRefused as error:
            raise ImageRefused(error.reason, name) from error

    def _follow(
        self,
        target: str,
        parameters: dict[str, str],
        name: str,
        cancel: threading.Event | None,
        failed: Callable[[EngineError, str], DriverError],
        data: Iterable[bytes] | None = None,
    ) -> None:
        try:
            for _ in self._engine.stream(target, parameters, cancel, data):
                _stop_if(cancel, name)
        except (EngineDown, EngineSilent) as error:
            _stop_if(cancel, name)
            raise EngineUnavailable(str(error), name) from error
        except EngineError as error:
            raise failed(error, name) from error
        _stop_if(cancel, name)


def _full_name(name: str) -> str:
    """As the engine lists it: without its default registry, with a tag."""
    for default in ("docker.io/library/", "docker.io/"):
        name = name.removeprefix(default)
    repository, tag = parse_repository_tag(name)
    return f"{repository}:{tag or 'latest'}"


def _spool(data: Iterable[bytes], file: IO[bytes], name: str, cancel: threading.Event | None) -> None:
    """Keep an archive that comes as a stream: its table of contents may be anywhere in it."""
    try:
        for chunk in data:
            _stop_if(cancel, name)
            file.write(chunk)
        file.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(str(error), name) from error
        raise


def _stop_if(cancel: threading.Event | None, name: str) -> None:
    if cancel is not None and cancel.is_set():
        raise PullCancelled("cancelled", name)


def _pull_failure(error: EngineError, name: str) -> DriverError:
    usual = facts.failure(error, name)
    if isinstance(usual, NoSpace | EngineUnavailable):
        return usual
    if error.status == 404 or "manifest unknown" in error.reason or "not found" in error.reason:
        return ImageNotFound(error.reason, name)
    if error.status == 400 or "invalid reference format" in error.reason:
        return ImageRefused(error.reason, name)
    return RegistryFailed(error.reason, name)


def _load_failure(error: EngineError, name: str) -> DriverError:
    usual = facts.failure(error, name)
    return usual if isinstance(usual, NoSpace | EngineUnavailable) else ImageRefused(error.reason, name)
