"""Copies of Glance's images in the hosts' engines go once nobody can ask for them."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from stackyard.kernel.caller import service_caller
from stackyard.kernel.repair.reconcile import Report
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.work import Services
from stackyard.rooms.container.driver import Conflict, ContainerDriver
from stackyard.rooms.container.resources.container import store
from stackyard.rooms.container.resources.container.requested import copies_of
from stackyard.rooms.image import facade as images


def remove_unused(services: Services) -> Report:
    """Remove the copies whose image Glance no longer has, and which no container was made of."""
    report = Report()
    for host in services.nodes.names():
        driver = cast(ContainerDriver, services.nodes.driver(host, "container"))
        try:
            # What they are is asked for first: what is loaded from here on is of an image that is still there.
            there = [name for each in driver.images() for name in each.names]
            report.examined += len(there)
            for name in _unused(services, there):
                # What uses it that the cloud does not know of is taken away by the repair of containers.
                with suppress(Conflict):
                    driver.remove_image(name)
                    report.repaired.append(f"{name} on {host} was removed: the image is gone, no container uses it")
        except (Transient, Refused) as error:
            report.failed.append(f"host {host}: {error}")
    return report


def _unused(services: Services, names: Iterable[str]) -> list[str]:
    copy = re.compile(rf"{copies_of(services.settings)}-([0-9a-f-]{{36}}):\w+")
    found = {name: match[1] for name in names if (match := copy.fullmatch(name))}
    with services.database.read() as tx:
        work = services.work(tx, service_caller("reconciler"))
        wanted = images.existing(work, found.values())
        return sorted(name for name, image in found.items() if image not in wanted and not store.uses(work, name))
