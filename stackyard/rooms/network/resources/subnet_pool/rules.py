"""What happens when a subnet pool is made, changed or removed."""

import ipaddress
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.resources import subnet_pool as pools
from stackyard.rooms.network.resources.subnet_pool import store

_SHORTEST = {4: 8, 6: 64}
_LONGEST = {4: 32, 6: 128}


def create(work: Work, wanted: Record) -> Record:
    """A pool of one family. Adjacent ranges become one."""
    wanted["project_id"] = rows.owner_of(work, wanted)
    wanted["ip_version"] = _family(wanted.prefixes)
    wanted["prefixes"] = _merged(wanted.prefixes)
    _settle_lengths(wanted)
    _refuse_second_default(work, wanted, None)
    return rows.insert(work, pools.SUBNET_POOL, wanted)


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a pool. Ranges are only added: subnets may have been cut from those it has."""
    if "prefixes" in changes:
        if _family(changes.prefixes) != record.ip_version:
            raise _mixed()
        changes["prefixes"] = _merged(changes.prefixes)
        for each in record.prefixes:
            if not any(addresses.contains(one, each) for one in changes.prefixes):
                raise BadRequest(
                    f"Illegal update to prefixes: Existing prefixes must be a subset of the new ones ({each} is not).",
                    field="prefixes",
                    kind="IllegalSubnetPoolPrefixUpdate",
                )
    merged = Record({**record, **{name: value for name, value in changes.items() if value is not None}})
    _settle_lengths(merged)
    _refuse_second_default(work, merged, record.id)
    lengths = {name: merged[name] for name in ("min_prefixlen", "max_prefixlen", "default_prefixlen")}
    return rows.change(work, pools.SUBNET_POOL, record, {**changes, **lengths})


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a pool. Raises Conflict while a subnet that was cut from it is there."""
    if used := store.cut_from(work, record.id):
        raise Conflict(
            f"Unable to complete operation on subnet pool {record.id}. Subnet pool has existing allocations "
            f"({', '.join(each.id for each in used[:10])}).",
            kind="SubnetPoolInUse",
        )
    rows.remove(work, pools.SUBNET_POOL, record)


def _family(prefixes: list[str]) -> int:
    if not prefixes:
        raise BadRequest("Empty subnet pool prefix list.", field="prefixes", kind="EmptySubnetPoolPrefixList")
    versions = {addresses.network(each).version for each in prefixes}
    if len(versions) > 1:
        raise _mixed()
    return versions.pop()


def _mixed() -> BadRequest:
    return BadRequest(
        "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", field="prefixes", kind="PrefixVersionMismatch"
    )


def _merged(prefixes: list[str]) -> list[str]:
    if len(prefixes) == 1:
        return prefixes
    networks: list[Any] = [addresses.network(each) for each in prefixes]
    return [str(each) for each in ipaddress.collapse_addresses(networks)]


def _settle_lengths(pool: Record) -> None:
    """min ≤ default ≤ max, each within the family."""
    longest = _LONGEST[pool.ip_version]
    pool["min_prefixlen"] = _SHORTEST[pool.ip_version] if pool.get("min_prefixlen") is None else pool.min_prefixlen
    pool["max_prefixlen"] = longest if pool.get("max_prefixlen") is None else pool.max_prefixlen
    pool["default_prefixlen"] = pool.min_prefixlen if pool.get("default_prefixlen") is None else pool.default_prefixlen
    if not pool.min_prefixlen <= pool.default_prefixlen <= pool.max_prefixlen <= longest:
        raise BadRequest(
            f"Illegal prefix bounds: min_prefixlen={pool.min_prefixlen}, default_prefixlen={pool.default_prefixlen}, "
            f"max_prefixlen={pool.max_prefixlen}.",
            field="default_prefixlen",
            remedy=f"They must rise in this order, to {longest} at most.",
            kind="IllegalSubnetPoolPrefixBounds",
        )


def _refuse_second_default(work: Work, pool: Record, pool_id: str | None) -> None:
    if pool.is_default and (other := store.other_default(work, pool.ip_version, pool_id)):
        raise Conflict(
            f"A default subnet pool for this IP family has already been set ({other}).",
            field="is_default",
            kind="InvalidInput",
        )
