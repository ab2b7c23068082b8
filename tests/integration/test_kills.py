"""The server killed at every step of what a container goes through, on real Docker and real networks: both after the
step's effect but before its record, and after the record. Then it comes back, and each object ends where it was asked
to go. The steps are found by a dry run, so that a step added later is killed too.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from stackyard.kernel.journal.crash import AFTER_EFFECT, AFTER_RECORD
from stackyard.testing.real_cloud import RealCloud, eventually
from tests.integration.tenant import Tenant, unused_name

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@dataclass
class Ordeal:
    """What is asked of a container in which state, and what must be true of it in the end."""

    action: str
    prepare: Callable[[Tenant], str]
    ask: Callable[[Tenant, str], object]
    ends: Callable[[Tenant, str], None]


def _create(tenant: Tenant, name: str) -> None:
    tenant.ask_for(name=name)


def _runs_on_its_network(tenant: Tenant, container: str) -> None:
    uuid = tenant.wait_for(container, "Running")["uuid"]
    address = f"inet {tenant.address(uuid)}/24"
    # What a death cut short may be mended by a reconciler, after the container is seen running.
    eventually(lambda: address in tenant.execute(uuid, "ip -4 address show eth0")[1] or None, 10, f"no {address}")
    assert {each["State"] for each in tenant.cloud.in_engine(uuid)} == {"running"}
    assert len(tenant.cloud.in_engine(uuid)) == 2, "the container and its sandbox, no more"


def _stopped(tenant: Tenant) -> str:
    container = tenant.container()
    tenant.act(container, "stop")
    tenant.wait_for(container, "Stopped")
    return container


def _attach(tenant: Tenant, container: str) -> None:
    tenant.act(container, f"network_attach?network={tenant.collection('networks?name=second')[0]['id']}")


def _has_both_networks(tenant: Tenant, container: str) -> None:
    _runs_on_its_network(tenant, container)
    ports = tenant.collection(f"ports?device_id={container}")
    [port] = [each for each in ports if each["network_id"] != tenant.network_id]
    address = port["fixed_ips"][0]["ip_address"]
    # The container runs all the while: nothing but the address tells that the attachment is done.
    shown = partial(tenant.execute, container, "ip -o -4 address show eth1")
    eventually(lambda: address in shown()[1] or None, 10, f"no {address}")


def _delete(tenant: Tenant, container: str) -> None:
    tenant.api("DELETE", f"/container/v1/containers/{container}?stop=true", ok=204)


def _is_gone_everywhere(tenant: Tenant, container: str) -> None:
    eventually(lambda: tenant.is_gone(container) or None, 30, "it stays")
    assert tenant.cloud.in_engine(container) == []
    assert tenant.collection(f"ports?device_id={container}") == []


ORDEALS = [
    Ordeal("create", lambda tenant: unused_name(), _create, _runs_on_its_network),
    Ordeal("start", _stopped, partial(Tenant.act, action="start"), _runs_on_its_network),
    Ordeal("attach_network", lambda tenant: tenant.container(), _attach, _has_both_networks),
    Ordeal("stop_and_delete", lambda tenant: tenant.container(), _delete, _is_gone_everywhere),
]


@pytest.mark.parametrize("moment", [AFTER_EFFECT, AFTER_RECORD])
@pytest.mark.parametrize("ordeal", ORDEALS, ids=lambda each: each.action)
def test_it_ends_as_asked_though_the_server_is_killed_at_every_step(
    cloud: RealCloud, tenant: Tenant, ordeal: Ordeal, moment: str
) -> None:
    tenant.network("second", "10.101.0.0/24")
    steps = _dry_run(tenant, ordeal)
    assert len(steps) >= 2
    for step in steps:
        container = ordeal.prepare(tenant)
        # The answer may die with the server: what counts is what is true afterwards.
        with cloud.dying_at(ordeal.action, step, moment), suppress(httpx.TransportError):
            ordeal.ask(tenant, container)
        cloud.up()
        ordeal.ends(tenant, container)
        cloud.agrees()


def _dry_run(tenant: Tenant, ordeal: Ordeal) -> list[str]:
    container = ordeal.prepare(tenant)
    ordeal.ask(tenant, container)
    uuid = tenant.show(container)["uuid"]
    ordeal.ends(tenant, container)
    return tenant.cloud.steps(uuid, ordeal.action)
