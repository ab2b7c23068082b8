"""A port's security: which groups it wears, which further sources it may use, and how both go with port security."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources.security_group import store as group_store

MOST_PAIRS = 10


def groups_for_new(work: Work, values: Record) -> list[str]:
    """The groups a new port wears: those asked for, or its project's default group."""
    asked = values.get("security_groups")
    if not values.port_security_enabled:
        if asked:
            raise BadRequest(
                "Port security must be enabled and port must have an IP address in order to use security groups.",
                field="security_groups",
                kind="PortSecurityAndIPRequiredForSecurityGroups",
            )
        if values.get("allowed_address_pairs"):
            raise _pairs_need_security()
        return []
    if "security_groups" in values:
        return _usable(work, values.project_id, asked or [])
    if str(values.get("device_owner") or "").startswith("network:") or not values.project_id:
        return []
    return [group_store.default_of(work, values.project_id)]


def groups_for_changed(work: Work, record: Record, changes: Record, worn: list[str]) -> list[str]:
    """The groups a port wears after a change. Raises Conflict when port security would go while something needs it."""
    secured = changes.get("port_security_enabled", record.port_security_enabled)
    wanted = _usable(work, record.project_id, changes.security_groups or []) if "security_groups" in changes else worn
    if "allowed_address_pairs" in changes:
        changes["allowed_address_pairs"] = pairs(changes, changes.get("mac_address", record.mac_address))
    if not secured and wanted:
        raise Conflict(
            f"Port {record.id} has security group, which needs port security.",
            field="port_security_enabled",
            kind="PortSecurityPortHasSecurityGroup",
            remedy="Take its security groups away too (an empty list).",
        )
    if not secured and changes.get("allowed_address_pairs", record.allowed_address_pairs):
        raise _pairs_need_security()
    return wanted


def _usable(work: Work, project_id: str, asked: list[str]) -> list[str]:
    known = group_store.usable_by(work, project_id, asked)
    for each in asked:
        if each not in known:
            raise NotFound(
                f"Security group {each} does not exist", field="security_groups", kind="SecurityGroupNotFound"
            )
    return list(dict.fromkeys(asked))


def pairs(values: Mapping[str, Any], mac: str) -> list[dict[str, str]]:
    """Allowed address pairs with their MACs filled in. Raises BadRequest for too many or the same one twice."""
    asked = values.get("allowed_address_pairs") or []
    if len(asked) > MOST_PAIRS:
        raise BadRequest(
            f"The number of allowed address pairs exceeds the maximum {MOST_PAIRS}.",
            field="allowed_address_pairs",
            kind="AllowedAddressPairExhausted",
        )
    filled = [{"ip_address": each["ip_address"], "mac_address": each.get("mac_address") or mac} for each in asked]
    for index, each in enumerate(filled):
        if each in filled[:index]:
            raise BadRequest(
                f"Request contains duplicate address pair: mac_address {each['mac_address']} ip_address "
                f"{each['ip_address']}.",
                field="allowed_address_pairs",
                kind="DuplicateAddressPairInRequest",
            )
    return filled


def _pairs_need_security() -> Conflict:
    return Conflict(
        "Port Security must be enabled in order to have allowed address pairs on a port.",
        field="allowed_address_pairs",
        kind="AddressPairAndPortSecurityRequired",
    )
