"""Arithmetic of addresses, over many ranges."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from stackyard.rooms.network import addresses
from stackyard.rooms.network.addresses import Pool


@given(st.integers(0, 2**32 - 1), st.integers(8, 30), st.sets(st.integers(0, 40)))
def test_the_next_address_is_free_in_the_pool_and_not_the_gateway(start: int, prefix: int, offsets: set[int]) -> None:
    net = ipaddress.ip_network((start, prefix), strict=False)
    gateway = addresses.default_gateway(net)
    pools = addresses.default_pools(net, gateway)
    whole = addresses.usable(net)
    taken = sorted({whole.start + each for each in offsets if whole.start + each <= whole.end})
    found = addresses.first_free(pools, [*taken, addresses.number(gateway)])
    if found is None:
        assert len(set(taken) | {addresses.number(gateway)}) == whole.size()
    else:
        assert any(found in pool for pool in pools)
        assert found not in taken
        assert addresses.at(net, found) != gateway


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=4), st.sets(st.integers(0, 80)))
def test_an_address_is_found_exactly_when_one_is_left(runs: list[tuple[int, int]], taken: set[int]) -> None:
    pools = [Pool(start, start + more) for start, more in runs]
    left = [n for pool in pools for n in range(pool.start, pool.end + 1) if n not in taken]
    assert addresses.first_free(pools, taken) == min(left, default=None)


def test_a_host_makes_its_own_address_from_its_mac() -> None:
    net = ipaddress.ip_network("2001:db8::/64")
    assert addresses.eui64(net, "fa:16:3e:12:34:56") == "2001:db8::f816:3eff:fe12:3456"


def test_tiny_ranges_have_hosts_too() -> None:
    assert addresses.usable(ipaddress.ip_network("10.0.0.4/31")).size() == 2
    assert addresses.usable(ipaddress.ip_network("10.0.0.4/32")).size() == 1
    assert addresses.default_gateway(ipaddress.ip_network("fd00::/64")) == "fd00::1"


@given(st.integers(24, 28), st.lists(st.integers(0, 15), max_size=12))
def test_a_range_cut_from_a_pool_overlaps_with_none_before(length: int, places: list[int]) -> None:
    taken = [f"10.0.0.{place * 16}/28" for place in set(places)]
    found = addresses.free_range(["10.0.0.0/24"], length, taken)
    every = [str(each) for each in ipaddress.ip_network("10.0.0.0/24").subnets(new_prefix=length)]
    free = [each for each in every if not any(addresses.overlap(each, one) for one in taken)]
    assert found == (free[0] if free else None)
