"""The rules of the tree. Each takes a tree and returns its complaints, a sentence each: where, what, and why not."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from tests.architecture.tree import Import, Module, Tree

# Rooms from left to right: each may use the facades of those before it.
ROOMS = (
    "identity", "key_manager", "placement", "object_store", "image", "volume", "network", "load_balancer", "compute",
    "container", "docker_plugins", "orchestration", "container_infra", "application_catalog", "delivery", "dashboard",
)  # fmt: skip

# What a room may hold beside resources/, drivers/ and migrations/. A resource's folder is split by concern, under names
# of its own beside the usual ones, but one file declares it, and none is a layer.
ROOM_FILES = {
    "__init__.py", "room.py", "facade.py", "driver.py", "reconcile.py",
    "dialect.py", "policies.py", "fields.py", "quotas.py", "errors.py", "settings.py", "seed.py", "store.py",
}  # fmt: skip
ROOM_FOLDERS = {"resources", "drivers", "migrations"}
DECLARATIONS = {"resource.py", "routes.py"}
LAYERS = {"api.py", "controllers.py", "dao.py", "db.py", "models.py", "schemas.py", "serializers.py"}

# A room's own subjects: neither a resource nor a layer. Each is here because somebody decided that it is one.
SUBJECTS: dict[str, set[str]] = {
    "identity": {
        "audited.py", "compliance.py", "credentials.py", "directories.py", "failures.py", "keys.py", "mirror.py",
        "passwords.py", "render.py", "rotation.py", "rows.py", "throttle.py",
    },
    "image": {"claims.py", "download.py", "fetches.py", "formats.py", "intake.py", "ranges.py", "vault.py"},
    "network": {"addresses.py", "applied.py", "dataplane.py", "homes.py", "ipam.py", "specs.py"},
    "container": {"names.py"},
    "placement": {"capacity.py"},
}

EMPTY_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"}
MACHINE_PATH = re.compile(r"""(?<![\w./<{])/(?:work|home|Users|opt/[a-z])/?(?![\w-])""")

# Libraries that only some modules may touch, by what they are.
SQL = ("sqlalchemy", "alembic", "sqlite3", "psycopg")
ENGINES = ("docker", "pyroute2", "ldap3")

TOP = ("stackyard.cli", "stackyard.testing", "stackyard.__main__")


def _complaint(module: Module, found: Import, reason: str) -> str:
    return f"{module.path}:{found.line} imports {found.target}: {reason}"


def _own(module: Module) -> Iterator[Import]:
    """Its imports from Stackyard itself, the version aside."""
    return (found for found in module.imports if found.within("stackyard") and found.target != "stackyard.__version__")


def _outside(module: Module, allowed: Iterable[str], reason: str) -> Iterator[str]:
    packages = tuple(allowed)
    return (_complaint(module, found, reason) for found in _own(module) if not found.within(*packages))


def layers(tree: Tree) -> list[str]:
    """Kernel, hosts, node, rooms and drivers import only what is below them."""
    return [complaint for module in tree.modules.values() for complaint in _layer_of(tree, module)]


def _layer_of(tree: Tree, module: Module) -> Iterator[str]:
    if module.room:
        yield from _room_layer(tree, module)
    elif module.within("stackyard.kernel"):
        yield from _outside(module, ["stackyard.kernel"], "the kernel knows nothing but itself")
    elif module.within("stackyard.hosts"):
        yield from _outside(module, ["stackyard.hosts"], "hosts wrap the outside world and know nothing but themselves")
    elif module.within("stackyard.node"):
        yield from _node_layer(module)
    elif not module.within("stackyard.assemble", *TOP):
        yield from _outside(module, [], "only the folders of the architecture page import one another")
    if not module.within(*TOP):
        reason = "the operator's verbs and the test kit are nobody's foundation"
        yield from (_complaint(module, found, reason) for found in _own(module) if found.within(*TOP))


def _node_layer(module: Module) -> Iterator[str]:
    for found in _own(module):
        contract = re.fullmatch(r"stackyard\.rooms\.\w+\.(driver|drivers)(\..*)?", found.target)
        if not contract and not found.within("stackyard.kernel", "stackyard.hosts", "stackyard.node"):
            yield _complaint(module, found, "a node knows the kernel, hosts, and the rooms' drivers and contracts")


def _room_layer(tree: Tree, module: Module) -> Iterator[str]:
    package = f"stackyard.rooms.{module.room}"
    if module.within(f"{package}.drivers"):
        allowed = [f"{package}.driver", f"{package}.drivers", "stackyard.hosts"]
        yield from _outside(module, allowed, "a driver knows its contract (..driver) and stackyard.hosts only")
        return
    facades = [f"stackyard.rooms.{other}.facade" for other in rooms_used(tree, module.room)]
    reason = f"the {module.room} room knows the kernel, itself, and the facades of the rooms in its manifest"
    yield from _outside(module, ["stackyard.kernel", package, *facades], reason)
    if module.name == f"{package}.room":
        return
    reason = "a room calls its contract; its manifest names the drivers"
    yield from (_complaint(module, found, reason) for found in _own(module) if found.within(f"{package}.drivers"))


def rooms_used(tree: Tree, room: str) -> list[str]:
    """The rooms that a room's manifest names in `uses`."""
    manifest = tree.modules.get(f"stackyard.rooms.{room}.room")
    if not manifest:
        return []
    calls = (node for node in manifest.nodes if isinstance(node, ast.Call))
    uses = (word.value for call in calls if _called(call) == "Room" for word in call.keywords if word.arg == "uses")
    return [name for value in uses for name in ast.literal_eval(value)]


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def manifests_look_left(tree: Tree) -> list[str]:
    """A room is one of the architecture page's, and uses only rooms to its left."""
    complaints = []
    for room in tree.rooms:
        if room not in ROOMS:
            complaints.append(f"stackyard/rooms/{room}: no room of that name on the architecture page")
            continue
        wrong = set(rooms_used(tree, room)) - set(ROOMS[: ROOMS.index(room)])
        complaints += [f"stackyard/rooms/{room}/room.py uses {other}, which is not to its left" for other in wrong]
    return complaints


def composition(tree: Tree) -> list[str]:
    """Rooms and nodes meet in `stackyard.assemble` and nowhere else, which only the verbs and the test kit import."""
    root = "stackyard.assemble"
    below = (module for module in tree.modules.values() if not module.within(root, *TOP))
    return [
        _complaint(module, found, "the composition root is above everything else")
        for module in below for found in _own(module) if found.within(root)
    ]  # fmt: skip


def libraries(tree: Tree) -> list[str]:
    """SQL stays in declarations and stores, engines' clients in hosts and drivers."""
    return [complaint for module in tree.modules.values() for complaint in _libraries_of(module)]


def _libraries_of(module: Module) -> Iterator[str]:
    outside = module.within("stackyard.hosts") or "drivers" in module.path.parts
    limits = (
        (SQL, _may_hold_sql(module), "SQL belongs to the kernel, declarations, stores and migrations"),
        (ENGINES, outside, "the outside world is reached through hosts and drivers"),
    )
    for found in module.imports:
        for kinds, allowed, reason in limits:
            if not allowed and found.within(*kinds):
                yield _complaint(module, found, reason)


def _may_hold_sql(module: Module) -> bool:
    if not module.room:
        return module.within("stackyard.kernel")
    path = module.path.parts[3:]
    declaration = path[0] == "resources" and (len(path) == 2 or path[-1] == "resource.py")
    return declaration or path[-1] == "store.py" or "migrations" in path


def cycles(tree: Tree) -> list[str]:
    """No module needs, at run time, one that needs it. Imports for type checkers only do not count.

    The inside of a room counts as one: a declaration names its rules, and what rules use names declarations. Its
    doors do not: manifest, facade, contract, drivers and reconciler each look one way.
    """
    needs: dict[str, set[str]] = {}
    for name, module in tree.modules.items():
        others = {_unit(other) for other in _needed_at_run_time(tree, module)}
        needs.setdefault(_unit(name), set()).update(others - {_unit(name)})
    return ["in a circle: " + " → ".join([*ring, ring[0]]) for ring in _rings(needs)]


def _unit(name: str) -> str:
    inside = re.fullmatch(r"(stackyard\.rooms\.\w+)\.(?!(?:room|facade|driver|drivers|reconcile)\b).+", name)
    return f"{inside.group(1)}.resources" if inside else name


def _needed_at_run_time(tree: Tree, module: Module) -> set[str]:
    if "TYPE_CHECKING" not in module.text:
        return tree.modules_imported_by(module)
    kept = "".join(f"{line}\n" for line in _without_type_checking(module))
    return tree.modules_imported_by(Module(module.path, kept))


def _without_type_checking(module: Module) -> list[str]:
    lines = module.text.splitlines()
    for node in module.nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            first, last = node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno
            indent = " " * node.body[0].col_offset
            lines[first - 1 : last] = [indent + "pass"] * (last - first + 1)
    return lines


def _rings(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The circles that a depth-first walk closes; each once, from its first name in order."""
    done: set[str] = set()
    rings: set[tuple[str, ...]] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            ring = path[path.index(name) :]
            start = ring.index(min(ring))
            rings.add(tuple(ring[start:] + ring[:start]))
            return
        if name in done:
            return
        for other in sorted(needs[name]):
            walk(other, [*path, name])
        done.add(name)

    for name in sorted(needs):
        walk(name, [])
    return [list(ring) for ring in sorted(rings)]


def uniform_rooms(tree: Tree) -> list[str]:
    """Every room is laid out alike, so that a reader of one knows where to look in all."""
    return [complaint for room in tree.rooms for complaint in _layout(tree, room)]


def _layout(tree: Tree, room: str) -> Iterator[str]:
    base = PurePosixPath("stackyard/rooms") / room
    paths = [path.relative_to(base).parts for path in tree.files if path.is_relative_to(base)]
    if ("room.py",) not in paths:
        yield f"{base}: has no room.py, its manifest"
    files = ROOM_FILES | SUBJECTS.get(room, set())
    misplaced = ((parts, _misplaced(parts, files)) for parts in paths)
    yield from (f"{base.joinpath(*parts)}: {reason}" for parts, reason in misplaced if reason)
    yield from _resources(base, paths)


def _misplaced(parts: tuple[str, ...], files: set[str]) -> str:
    """Why a file, by its path inside the room, is not where a reader would look; nothing if it is."""
    if len(parts) == 1:
        return "" if parts[0] in files else f"a room's own files are {_listed(files)}"
    if parts[0] not in ROOM_FOLDERS:
        return f"a room's folders are {_listed(ROOM_FOLDERS)}"
    if parts[0] != "resources" or len(parts) == 2:
        return ""
    if len(parts) > 3:
        return "a resource is one file or one folder of files, not a tree"
    return "a resource is split by concern, not by layer" if parts[2] in LAYERS else ""


def _resources(base: PurePosixPath, paths: list[tuple[str, ...]]) -> Iterator[str]:
    folders: dict[str, set[str]] = {}
    for parts in paths:
        if parts[0] == "resources" and len(parts) == 3:
            folders.setdefault(parts[1], set()).add(parts[2])
    for name, files in sorted(folders.items()):
        if not files & DECLARATIONS:
            yield f"{base}/resources/{name}: has no resource.py (or routes.py), its declaration"
        elif files <= {"__init__.py", "resource.py"}:
            yield f"{base}/resources/{name}: a plain resource is one file, resources/{name}.py"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def names(tree: Tree) -> list[str]:
    """Nothing is called utils, common, helper or manager: such a name says where code is, not what it is."""
    complaints = []
    for module in tree.modules.values():
        if _is_empty_name(re.split(r"[._]", module.name)):
            complaints.append(f"{module.path}: name it by what it offers")
        classes = (node for node in module.nodes if isinstance(node, ast.ClassDef))
        complaints += [
            f"{module.path}:{each.lineno} class {each.name}: name it by what it is"
            for each in classes if _is_empty_name(re.findall(r"[A-Z]?[a-z]+", each.name))
        ]  # fmt: skip
    return complaints


def _is_empty_name(words: Iterable[str]) -> bool:
    # key_manager is the API's own noun, and the one exception.
    spoken = [word.lower() for word in words]
    return any(word in EMPTY_NAMES and spoken[max(at - 1, 0)] != "key" for at, word in enumerate(spoken))


def docstrings(tree: Tree) -> list[str]:
    """Every public module says what it is for; an empty `__init__.py` has nothing to say."""
    public = (module for module in tree.modules.values() if module.is_package or not module.path.name.startswith("_"))
    mute = (module for module in public if module.syntax.body and not ast.get_docstring(module.syntax))
    return [f"{module.path}: says not what it is for (a module docstring)" for module in mute]


def machine_paths(tree: Tree) -> list[str]:
    """No file names a folder that exists on the author's machine only."""
    return [
        f"{path}:{number} names {found.group(0)}, a path of one machine"
        for path, text in tree.files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for found in MACHINE_PATH.finditer(line)
    ]


RULES = (
    layers, manifests_look_left, composition, libraries, cycles, uniform_rooms, names, docstrings, machine_paths,
)  # fmt: skip
