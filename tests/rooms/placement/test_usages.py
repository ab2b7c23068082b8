"""What is said to be used is what is allocated, whatever is done with allocations; and what differs is found and put
right."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.kernel.work import Services
from stackyard.rooms.placement import reconcile
from stackyard.rooms.placement.resources.usage.store import USAGES
from stackyard.testing.cloud import cloud
from tests.rooms.placement.conftest import Placement, wanted

CLASSES = ("VCPU", "MEMORY_MB", "CUSTOM_GOLD")
CONSUMERS = [str(uuid4()) for _ in range(4)]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, Placement]]:
    """A cloud of its own: all that is used in it is looked at."""
    folder: Path = tmp_path_factory.mktemp("usages")
    with cloud(folder, threads=0) as made:
        yield made.cloud.services, Placement(made.admin)


@pytest.fixture(scope="module")
def providers(services: tuple[Services, Placement]) -> list[str]:
    _, admin = services
    return [admin.provider(**dict.fromkeys(CLASSES, 1000)) for _ in range(2)]


_HAVING = st.dictionaries(
    st.integers(0, 1), st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 9), min_size=1), max_size=2
)


@given(st.lists(st.tuples(st.sampled_from(CONSUMERS), _HAVING), max_size=6))
@settings(max_examples=25, deadline=None)
def test_whoever_has_more_or_less_or_nothing(
    services: tuple[Services, Placement], providers: list[str], changes: list[tuple[str, dict[int, dict[str, int]]]]
) -> None:
    bound, admin = services
    for consumer, having in changes:
        known = admin("GET", f"/allocations/{consumer}").json().get("consumer_generation")
        body = wanted({providers[at]: each for at, each in having.items()}, generation=known)
        if known is not None or having:
            admin("PUT", f"/allocations/{consumer}", body, ok=204)
        assert reconcile.differences(bound) == []
    for consumer in CONSUMERS:
        admin("DELETE", f"/allocations/{consumer}")
    assert reconcile.differences(bound) == []


def test_a_class_that_is_renamed_and_a_provider_that_goes(
    services: tuple[Services, Placement], providers: list[str]
) -> None:
    bound, admin = services
    other = admin.provider(**dict.fromkeys(CLASSES, 1000))
    consumer = admin.allocate({other: {"CUSTOM_GOLD": 3, "VCPU": 1}})
    admin("PUT", "/resource_classes/CUSTOM_GOLD", {"name": "CUSTOM_SILVER"}, ok=200, version="1.6")
    assert reconcile.differences(bound) == []
    assert admin("GET", f"/resource_providers/{other}/usages", ok=200).json()["usages"]["CUSTOM_SILVER"] == 3
    admin("PUT", "/resource_classes/CUSTOM_SILVER", {"name": "CUSTOM_GOLD"}, ok=200, version="1.6")
    admin("DELETE", f"/allocations/{consumer}", ok=204)
    admin("DELETE", f"/resource_providers/{other}", ok=204)
    with bound.database.read() as tx:
        assert tx.find(USAGES, provider=other) == []
    assert reconcile.differences(bound) == []


def test_a_difference_is_found_and_put_right(services: tuple[Services, Placement], providers: list[str]) -> None:
    bound, admin = services
    admin.allocate({providers[0]: {"VCPU": 3}})
    with bound.database.write() as tx:
        tx.update(USAGES, {"used": 7}, provider=providers[0], resource_class="VCPU")
    [found] = reconcile.differences(bound)
    assert found.text == f"Of provider {providers[0]}'s VCPU 7 is said to be used; allocated is 3."
    assert reconcile.put_right(bound).repaired == [f"{found.text} This was put right."]
    assert reconcile.differences(bound) == reconcile.put_right(bound).repaired == []
    assert admin("GET", f"/resource_providers/{providers[0]}/usages", ok=200).json()["usages"]["VCPU"] == 3
