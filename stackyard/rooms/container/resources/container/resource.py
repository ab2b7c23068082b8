"""A container: one process tree on one host, with ports on the project's networks. Source: Zun API reference, 1.1 to
1.40."""

from datetime import timedelta

from stackyard.kernel.declare.kinds import (
    Anything,
    Boolean,
    Either,
    Integer,
    IpAddress,
    ListOf,
    MapOf,
    Nullable,
    Number,
    Object,
    OneOf,
    Text,
    Timestamp,
)
from stackyard.kernel.declare.resource import (
    Action,
    Allow,
    Field,
    Id,
    Internal,
    Lifecycle,
    Name,
    Operation,
    Project,
    ReadOnly,
    Resource,
    Shown,
    Timestamps,
)
from stackyard.kernel.quota import Quota
from stackyard.rooms.container.policies import ADMIN, NOBODY, reads, writes
from stackyard.rooms.container.resources.container import actions, history, operations, rules, store, views

_LIVE = ("Created", "Running", "Stopped", "Paused")
_SETTLED = ("Created", "Running", "Stopped", "Error")

LIFE = Lifecycle(
    stable=("Created", "Running", "Stopped", "Paused", "Dead", "Deleted", "Error", "Unknown"),
    allows={
        "start": ("Created", "Stopped", "Error"),
        "stop": ("Running",),
        "reboot": _SETTLED,
        "pause": ("Running",),
        "unpause": ("Paused",),
        "kill": ("Running",),
        "execute": ("Running",),
        "top": ("Running",),
        "stats": ("Running",),
        "logs": (*_LIVE, "Error", "Unknown", "Dead"),
        "update": _LIVE,
        "resize_container": _LIVE,
        "attach_network": _LIVE,
        "detach_network": _LIVE,
        "security_groups": _LIVE,
        "revive": ("Running", "Stopped", "Error"),
        "delete": ("Created", "Error", "Stopped", "Deleted", "Dead"),
        "stop_and_delete": (*_SETTLED, "Deleted", "Dead"),
    },
)

_MINUTE = timedelta(minutes=1)

OPERATIONS = {
    "create": Operation(run=operations.create, state="Creating", within=timedelta(minutes=15), failing_to="Error"),
    "start": Operation(run=operations.start, within=5 * _MINUTE, failing_to="Error"),
    "revive": Operation(run=operations.start, state="Restarting", within=5 * _MINUTE, failing_to="Error"),
    "stop": Operation(run=operations.stop, within=15 * _MINUTE),
    "reboot": Operation(run=operations.reboot, within=15 * _MINUTE, failing_to="Error"),
    "pause": Operation(run=operations.pause, within=2 * _MINUTE),
    "unpause": Operation(run=operations.unpause, within=2 * _MINUTE),
    "kill": Operation(run=operations.kill, within=2 * _MINUTE),
    "update": Operation(run=operations.update, within=2 * _MINUTE),
    "attach_network": Operation(run=operations.attach_network, within=2 * _MINUTE),
    "detach_network": Operation(run=operations.detach_network, within=2 * _MINUTE),
    "delete": Operation(
        run=operations.delete, state="Deleting", within=10 * _MINUTE, failing_to="Error", overtakes=True
    ),
    "stop_and_delete": Operation(
        run=operations.delete, state="Deleting", within=15 * _MINUTE, failing_to="Error", overtakes=True
    ),
    "force_delete": Operation(
        run=operations.delete, state="Deleting", within=10 * _MINUTE, failing_to="Error", overtakes=True
    ),
}

_Words = Nullable(
    Either(ListOf(Text(max=None), max=1000), Text(max=65535), said="a command: a list of words or a string")
)
_Net = Object(
    {
        "network": Text(min=1),
        "port": Text(min=1),
        "v4-fixed-ip": IpAddress(4),
        "v6-fixed-ip": IpAddress(6),
        "preserve_on_delete": Boolean(),
    }
)
_Restart = Object(
    {
        "Name": OneOf("no", "always", "on-failure", "unless-stopped"),
        "MaximumRetryCount": Nullable(Integer(min=0, max=1_000_000)),
    },
    required=["Name"],
)
_Healthcheck = Object(
    {
        "cmd": Text(min=1),
        "interval": Nullable(Integer(min=0)),
        "retries": Nullable(Integer(min=0)),
        "timeout": Nullable(Integer(min=0)),
    },
    required=["cmd"],
)


def _given(name: str, kind: object, **more: object) -> Field:
    """An attribute chosen at creation that is null unless given."""
    return Field(name=name, kind=kind, update=False, null=True, **{"default": None, "filter": False, **more})  # type: ignore[arg-type]


CONTAINER = Resource(
    name="container",
    path="/v1/containers",
    key="id_or_name",
    id_field="uuid",
    fields=[
        Id(name="uuid"),
        Project(admin=ADMIN),
        ReadOnly("user_id", Text(max=64), null=True),
        Field(name="name", kind=Text(min=2, pattern="[a-zA-Z0-9][a-zA-Z0-9_.-]+"), null=True, default=None),
        Field(name="image", kind=Text(min=2, pattern=r"[a-zA-Z0-9][^\s\x00-\x1f]*"), required=True, update=False),
        _given("command", _Words),
        ReadOnly("status", Text(max=20), default="Creating", index=True),
        ReadOnly("status_reason", Text(max=None), null=True, default=None, filter=False),
        ReadOnly("task_state", Text(max=40), null=True, default=None),
        Shown("status_detail", Text(), views.status_detail),
        Field(name="cpu", kind=Number(min=0, max=1024), null=True, default=0.0, filter=False),
        Field(name="memory", kind=Integer(min=4, max=2**31), null=True, default=512, show=views.memory),
        _given("environment", MapOf(Text(max=None), max=1000), default=dict),
        _given("workdir", Text(max=4096)),
        ReadOnly("ports", ListOf(Integer()), default=list, filter=False),
        _given("hostname", Text(min=2, max=63, pattern="[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?"), since="1.9"),
        _given("labels", MapOf(Text(max=None), max=1000), default=dict),
        Shown("addresses", Anything(), views.addresses),
        _given("image_pull_policy", OneOf("never", "always", "ifnotpresent", fold=True), admin=ADMIN),
        _given("host", Text(min=1, pattern="[a-zA-Z0-9._-]+"), admin=ADMIN, filter=True, index=True),
        _given("restart_policy", _Restart),
        _given("interactive", Boolean(), default=False),
        _given("tty", Boolean(), default=False),
        _given("image_driver", OneOf("docker", "glance")),
        _given("security_groups", ListOf(Text(min=1), max=100)),
        _given("auto_remove", Boolean(), default=False, since="1.3", filter=True),
        _given("runtime", Text(min=1), admin=ADMIN, since="1.5"),
        _given("disk", Integer(min=1)),
        Field(name="auto_heal", kind=Boolean(), default=False, filter=False),
        _given("privileged", Boolean(), default=False, admin=NOBODY, since="1.21"),
        _given("healthcheck", _Healthcheck, since="1.22"),
        _given("cpu_policy", OneOf("shared", "dedicated"), since="1.28"),
        _given("registry", Text(min=1), stored=False, read=False, since="1.31"),
        ReadOnly("registry_id", Text(max=64), null=True, default=None, since="1.31", filter=False),
        _given("entrypoint", ListOf(Text(max=None), max=1000), since="1.40"),
        _given("nets", ListOf(_Net, max=50), stored=False, read=False, default=list),
        _given("mounts", ListOf(Object({}, extra=True), max=50), stored=False, read=False, since="1.11"),
        _given("hints", MapOf(Anything()), stored=False, read=False),
        _given("availability_zone", Text(min=1), stored=False, read=False),
        _given("exposed_ports", MapOf(Object({}, extra=True), max=100), stored=False, read=False, since="1.24"),
        *Timestamps(),
        Internal("wanted", Text(max=20), doc="What the last accepted action asks for: running or stopped."),
        Internal("image_reference", Text(max=None), doc="What the engine calls the image, once it is there."),
        Internal("image_id", Text(max=64), doc="The Glance image it was made from."),
        Internal("generation", Text(max=128), doc="The sandbox whose network is wired."),
        Internal("started_at", Timestamp()),
        Internal("finished_at", Timestamp()),
        Internal("exit_code", Integer()),
        Internal("restarts", Integer(), default=0, doc="Restarts by policy since it last ran for a while."),
    ],
    quotas=[
        Quota("container", "containers", 40),
        Quota("container", "cpu", 20, column="cpu"),
        Quota("container", "memory", 51200, column="memory"),
        Quota("container", "disk", 100, column="disk"),
    ],
    policy={
        "list": reads("get_all"),
        "show": reads("get_one"),
        "create": writes("create"),
        "update": writes("update"),
        "delete": writes("delete"),
    },
    list_query=[Field(name="all_projects", kind=Boolean(), default=False)],
    show_query=[Field(name="all_projects", kind=Boolean(), default=False)],
    create_query=[Field(name="run", kind=Boolean(), default=False)],
    delete_query=[
        Field(name="force", kind=Boolean(), default=False),
        Field(name="stop", kind=Boolean(), default=False),
        Field(name="all_projects", kind=Boolean(), default=False),
    ],
    narrow=store.own_unless_all,
    load=views.load,
    view=views.in_version,
    life=LIFE,
    operations=OPERATIONS,
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    purge=rules.purge,
    actions=[
        Action(method="POST", suffix="start", rule=rules.start, allow=writes("start")),
        Action(method="POST", suffix="stop", rule=rules.stop, allow=writes("stop"), query=actions.TIMEOUT),
        Action(method="POST", suffix="reboot", rule=rules.reboot, allow=writes("reboot"), query=actions.TIMEOUT),
        Action(method="POST", suffix="pause", rule=rules.pause, allow=writes("pause")),
        Action(method="POST", suffix="unpause", rule=rules.unpause, allow=writes("unpause")),
        Action(method="POST", suffix="kill", rule=rules.kill, allow=writes("kill"), query=actions.SIGNAL),
        Action(
            method="POST",
            suffix="rename",
            rule=rules.rename,
            allow=writes("rename"),
            status=200,
            until="1.14",
            query=[Name(required=True)],
        ),
        Action(
            method="POST",
            suffix="resize_container",
            rule=rules.resize,
            allow=writes("resize_container"),
            since="1.19",
            body=[
                Field(name="cpu", kind=Number(min=0, max=1024)),
                Field(name="memory", kind=Integer(min=4, max=2**31)),
            ],
        ),
        Action(
            method="POST",
            suffix="add_security_group",
            rule=rules.add_security_group,
            allow=writes("add_security_group"),
            query=[Name(required=True)],
            until="1.15",
        ),
        Action(
            method="POST",
            suffix="remove_security_group",
            rule=rules.remove_security_group,
            allow=writes("remove_security_group"),
            query=[Name(required=True)],
            until="1.15",
        ),
        Action(
            method="POST",
            suffix="network_attach",
            rule=rules.network_attach,
            allow=writes("network_attach"),
            since="1.8",
            query=actions.ATTACH,
        ),
        Action(
            method="POST",
            suffix="network_detach",
            rule=rules.network_detach,
            allow=writes("network_detach"),
            since="1.6",
            query=actions.DETACH,
        ),
        Action(
            method="GET",
            suffix="network_list",
            rule=views.network_list,
            allow=reads("network_list"),
            status=200,
            since="1.13",
        ),
        Action(
            method="GET",
            suffix="logs",
            rule=actions.logs,
            allow=reads("logs"),
            status=200,
            reads="driver",
            query=actions.LOGS,
        ),
        Action(
            method="POST",
            suffix="execute",
            rule=actions.execute,
            allow=writes("execute"),
            status=200,
            reads="driver",
            query=actions.EXECUTE,
        ),
        Action(
            method="GET",
            suffix="top",
            rule=actions.top,
            allow=reads("top"),
            status=200,
            reads="driver",
            query=actions.TOP,
        ),
        Action(method="GET", suffix="stats", rule=actions.stats, allow=reads("stats"), status=200, reads="driver"),
        Action(method="GET", suffix="container_actions", rule=history.actions, allow=reads("actions"), status=200),
        Action(
            method="GET",
            suffix="container_actions/{request_id}",
            rule=history.action,
            allow=reads("actions"),
            status=200,
        ),
        *actions.not_yet(),
    ],
    default_sort=("created_at", "asc"),
)

#: Rules that are asked for besides those of the routes.
EXTRA_RULES = [
    Allow("container:get_all_all_projects", ADMIN),
    Allow("container:delete_force", ADMIN),
    *(Allow(f"container:get_one:{name}", ADMIN) for name in views.GUARDED),
]
