"""A host that runs containers, as its node announced it. Source: Zun API reference, since 1.4."""

from stackyard.kernel.declare.kinds import Anything, Boolean, Integer, MapOf, Text, Timestamp
from stackyard.kernel.declare.resource import Id, Internal, ReadOnly, Resource, Shown, Timestamps, everyone
from stackyard.rooms.container.policies import administers
from stackyard.rooms.container.resources.host import rules

HOST = Resource(
    name="host",
    path="/v1/hosts",
    key="id_or_name",
    id_field="uuid",
    name_field="hostname",
    fields=[
        Id(name="uuid"),
        ReadOnly("hostname", Text(), unique=True),
        ReadOnly("mem_total", Integer(), doc="MiB."),
        Shown("mem_used", Integer(), lambda work, host: host["claimed"][1], doc="MiB that containers may use."),
        ReadOnly("cpus", Integer()),
        Shown("cpu_used", Anything(), lambda work, host: host["claimed"][0]),
        ReadOnly("disk_total", Integer(), doc="GiB."),
        ReadOnly("disk_used", Integer(), doc="GiB."),
        Shown("total_containers", Integer(), lambda work, host: host["containers"]),
        ReadOnly("architecture", Text()),
        ReadOnly("os_type", Text()),
        ReadOnly("os", Text()),
        ReadOnly("kernel_version", Text()),
        ReadOnly("labels", MapOf(Text(max=None)), default=dict, filter=False),
        Shown("disk_quota_supported", Boolean(), lambda work, host: False),
        Shown("runtimes", Anything(), lambda work, host: ["runc"]),
        Shown("enable_cpu_pinning", Boolean(), lambda work, host: False, since="1.29"),
        Internal("disabled", Boolean(), default=False),
        Internal("disabled_reason", Text(max=None)),
        Internal("forced_down", Boolean(), default=False),
        Internal("last_seen", Timestamp()),
        Internal("reports", Integer(), default=0),
        *Timestamps(),
    ],
    visible=everyone,
    verbs=("list", "show"),
    policy={"list": administers("get_all", "host"), "show": administers("get", "host")},
    load=rules.load,
    doc="The hosts of the cloud and what they have.",
)
