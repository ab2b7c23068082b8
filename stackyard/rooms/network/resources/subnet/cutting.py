"""Cutting a subnet's range from a subnet pool."""

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.resources import subnet_pool as pools
from stackyard.rooms.network.resources.subnet import checks
from stackyard.rooms.network.resources.subnet_pool import store as pool_store


def settle_range(work: Work, wanted: Record) -> None:
    """Give a new subnet its range: as named, or the next free one of its pool. Raises BadRequest, Conflict."""
    pool = _pool(work, wanted)
    if pool is None:
        if wanted.get("cidr") is None:
            raise BadRequest(
                "Bad subnets request: a subnetpool must be specified in the absence of a cidr.", field="cidr",
                remedy="Give a cidr, or a subnetpool_id.",
            )  # fmt: skip
        return
    if pool.ip_version != wanted.ip_version:
        raise checks.refused(f"ip_version '{wanted.ip_version}' is not that of subnet pool {pool.id}", "ip_version")
    length = _length(pool, wanted)
    taken = [each.cidr for each in pool_store.cut_from(work, pool.id)]
    if wanted.get("cidr") is None:
        wanted["cidr"] = addresses.free_range(pool.prefixes, length, taken)
        if wanted.cidr is None:
            raise _none_left(f"Insufficient prefix space to allocate subnet size /{length}")
    elif not any(addresses.contains(each, wanted.cidr) for each in pool.prefixes):
        raise _none_left(f"Cannot allocate requested subnet {wanted.cidr} from the available set of prefixes")
    elif any(addresses.overlap(each, wanted.cidr) for each in taken):
        raise _none_left(f"Cannot allocate requested subnet {wanted.cidr}: it overlaps with another subnet of the pool")
    _check_quota(work, pool, wanted)
    wanted["subnetpool_id"] = pool.id


def _pool(work: Work, wanted: Record) -> Record | None:
    if wanted.get("subnetpool_id"):
        return rows.find(work, pools.SUBNET_POOL, wanted.subnetpool_id)
    if not wanted.get("use_default_subnetpool"):
        return None
    found = pool_store.default_for(work, wanted.ip_version)
    if found is None:
        raise BadRequest("Bad subnets request: No default subnetpool found.", field="use_default_subnetpool")
    return found


def _length(pool: Record, wanted: Record) -> int:
    if wanted.get("cidr") is not None:
        length = addresses.network(wanted.cidr).prefixlen
    else:
        length = pool.default_prefixlen if wanted.get("prefixlen") is None else wanted.prefixlen
    if not pool.min_prefixlen <= length <= pool.max_prefixlen:
        short = length < pool.min_prefixlen
        word, bound = ("Min", pool.min_prefixlen) if short else ("Max", pool.max_prefixlen)
        raise BadRequest(
            f"Unable to allocate subnet with prefix length {length}, {word.lower()}imum allowed prefix is {bound}.",
            field="prefixlen",
            kind=f"{word}PrefixSubnetAllocationError",
        )
    return int(length)


def _none_left(why: str) -> Conflict:
    return Conflict(f"Failed to allocate subnet: {why}.", field="subnetpool_id", kind="SubnetAllocationError")


def _check_quota(work: Work, pool: Record, wanted: Record) -> None:
    if pool.default_quota is None:
        return
    own = [each.cidr for each in pool_store.cut_from(work, pool.id) if each.project_id == wanted.project_id]
    if sum(addresses.weight(each) for each in [*own, wanted.cidr]) > pool.default_quota:
        raise Conflict(
            f"Per-project subnet pool prefix quota exceeded ({pool.default_quota}).", field="subnetpool_id",
            kind="SubnetPoolQuotaExceeded",
        )  # fmt: skip
