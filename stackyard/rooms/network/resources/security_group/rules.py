"""What happens when a security group or one of its rules is made, changed or removed. Hosts follow at once after
commit."""

import ipaddress

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import dataplane
from stackyard.rooms.network.resources import security_group as groups
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.security_group import kinds, store


def create(work: Work, wanted: Record) -> Record:
    """A group that lets everything out and nothing in. The project has its default group before any other."""
    _refuse_default_name(wanted)
    wanted["project_id"] = rows.owner_of(work, wanted)
    store.default_of(work, wanted.project_id)
    created = rows.insert(work, groups.SECURITY_GROUP, wanted)
    store.add_egress(work, created)
    return created


def _refuse_default_name(values: Record) -> None:
    if str(values.get("name", "")).lower() == "default":
        raise Conflict(
            "Default security group already exists.",
            field="name",
            kind="SecurityGroupDefaultAlreadyExists",
            remedy="Choose another name.",
        )


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a group's name or description."""
    if record.is_project_default and changes.get("name", record.name) != record.name:
        raise Conflict(
            "Updating default security group not allowed.", field="name", kind="SecurityGroupCannotUpdateDefault"
        )
    if not record.is_project_default:
        _refuse_default_name(changes)
    return rows.change(work, groups.SECURITY_GROUP, record, changes)


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a group, its rules and the rules of others that name it. Raises Conflict while a port wears it."""
    if record.is_project_default and not work.caller.is_admin:
        raise Conflict(
            "Insufficient rights for removing default security group.",
            kind="SecurityGroupCannotRemoveDefault",
        )
    if wearing := port_store.wearers(work, record.id):
        raise Conflict(
            f"Security Group {record.id} in use by port {wearing[0]}.",
            kind="SecurityGroupInUse",
            remedy="Give the ports another group first.",
        )
    dataplane.touch(work, groups=[record.id])
    store.remove_rules(work, record.id)
    rows.remove(work, groups.SECURITY_GROUP, record)


def create_rule(work: Work, wanted: Record) -> Record:
    """Allow something more. Raises Conflict when the group allows exactly that already."""
    group = _group(work, wanted.security_group_id)
    if wanted.remote_group_id is not None:
        _group(work, wanted.remote_group_id)
    _check(wanted)
    if same := store.same_rule(work, wanted):
        raise Conflict(f"Security group rule already exists. Rule id is {same}.", kind="SecurityGroupRuleExists")
    created = rows.insert(work, groups.SECURITY_GROUP_RULE, {**wanted, "project_id": group.project_id})
    rows.change(work, groups.SECURITY_GROUP, group, {})
    dataplane.touch(work, groups=[group.id])
    return created


def _group(work: Work, group_id: str) -> Record:
    try:
        return rows.find(work, groups.SECURITY_GROUP, group_id)
    except NotFound:
        raise NotFound(f"Security group {group_id} does not exist", kind="SecurityGroupNotFound") from None


def _check(wanted: Record) -> None:
    if wanted.remote_group_id is not None and wanted.remote_ip_prefix is not None:
        raise BadRequest(
            "Only one of remote_ip_prefix or remote_group_id may be provided.",
            field="remote_ip_prefix",
            kind="SecurityGroupMultipleRemoteEntites",
        )
    _check_family(wanted)
    if wanted.protocol is None or kinds.number_of(wanted.protocol) == 0:
        _refuse_ports_without_protocol(wanted)
    elif kinds.number_of(wanted.protocol) in kinds.ICMP:
        _check_icmp(wanted)
    else:
        _check_ports(wanted)


def _check_family(wanted: Record) -> None:
    version = 4 if wanted.ethertype == "IPv4" else 6
    if wanted.remote_ip_prefix is not None and ipaddress.ip_interface(wanted.remote_ip_prefix).version != version:
        raise BadRequest(
            f"Conflicting value ethertype {wanted.ethertype} for CIDR {wanted.remote_ip_prefix}",
            field="remote_ip_prefix",
            kind="SecurityGroupRuleParameterConflict",
        )
    if wanted.protocol and version == 4 and (wanted.protocol.startswith("ipv6-") or wanted.protocol == "icmpv6"):
        raise BadRequest(
            f"Invalid ethertype {wanted.ethertype} for protocol {wanted.protocol}.",
            field="protocol",
            kind="SecurityGroupEthertypeConflictWithProtocol",
        )


def _refuse_ports_without_protocol(wanted: Record) -> None:
    if wanted.port_range_min is not None or wanted.port_range_max is not None:
        raise BadRequest(
            "Must also specify protocol if port range is given.",
            field="protocol",
            kind="SecurityGroupProtocolRequiredWithPorts",
        )


def _check_icmp(wanted: Record) -> None:
    for name, said in (("port_range_min", "type"), ("port_range_max", "code")):
        if wanted[name] is not None and not 0 <= wanted[name] <= 255:
            raise BadRequest(
                f"Invalid value for ICMP {said} ({name}) {wanted[name]}. It must be 0 to 255.",
                field=name,
                kind="SecurityGroupInvalidIcmpValue",
            )
    if wanted.port_range_max is not None and wanted.port_range_min is None:
        raise BadRequest(
            f"ICMP code (port-range-max) {wanted.port_range_max} is provided but ICMP type (port-range-min) is "
            "missing.",
            field="port_range_min",
            kind="SecurityGroupMissingIcmpType",
        )


def _check_ports(wanted: Record) -> None:
    low, high = wanted.port_range_min, wanted.port_range_max
    if low is None and high is None:
        return
    if kinds.number_of(wanted.protocol) not in kinds.WITH_PORTS:
        raise BadRequest(
            f"Ports cannot be specified for protocol {wanted.protocol}. Ports are only supported for tcp, udp, dccp, "
            "sctp, udplite.",
            field="port_range_min",
            kind="SecurityGroupInvalidProtocolForPort",
        )
    if low is None or high is None or low > high or low < 0:
        raise BadRequest(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            field="port_range_min",
            kind="SecurityGroupInvalidPortRange",
            remedy="Give both, from 0 to 65535.",
        )


def delete_rule(work: Work, record: Record, query: Record) -> None:
    """Allow something no longer: connections that only this rule allowed end."""
    group = work.tx.get(groups.SECURITY_GROUP.table, id=record.security_group_id)
    rows.remove(work, groups.SECURITY_GROUP_RULE, record)
    if group is not None:
        rows.change(work, groups.SECURITY_GROUP, group, {})
    dataplane.touch(work, groups=[record.security_group_id])
