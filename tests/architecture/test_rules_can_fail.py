"""Each rule, on small trees in memory: it finds what breaks it, and nothing in what keeps it."""

from collections.abc import Callable

import pytest

from tests.architecture import rules, sizes
from tests.architecture.tree import Tree, from_texts

Rule = Callable[[Tree], list[str]]


def says(*lines: str) -> str:
    """A module with a docstring."""
    return "\n".join(['"""What it is for."""', *lines, ""])


def manifest(*uses: str) -> str:
    """A room.py that names the rooms it uses."""
    return says("from stackyard.kernel.room import Room", f"ROOM = Room(name='x', uses={uses})")


KERNEL = {"stackyard/kernel/__init__.py": "", "stackyard/kernel/room.py": says("class Room: ...")}


def tree(**sources: str) -> Tree:
    """A tree of `kernel__steps="…"` for stackyard/kernel/steps.py and so on, beside a kernel that rooms can use."""
    return from_texts(KERNEL | {f"stackyard/{name.replace('__', '/')}.py": text for name, text in sources.items()})


def network(facade: str, *uses: str) -> Tree:
    """A network room that uses these rooms and whose facade holds this line."""
    return tree(rooms__network__room=manifest(*uses), rooms__network__facade=facade)


def driver(line: str) -> Tree:
    """A driver of the network room that holds this line."""
    return tree(rooms__network__drivers__linux=line)


def image(**sources: str) -> Tree:
    """An image room of these files, its manifest beside them."""
    files = {f"rooms__image__{name}": text for name, text in sources.items()}
    return tree(rooms__image__room=manifest(), **files)


BREAKING: list[tuple[Rule, Tree, str]] = [
    (rules.layers, tree(kernel__app="import stackyard.rooms.image.facade"), "the kernel knows nothing but itself"),
    (rules.layers, tree(kernel__app="def f():\n    from stackyard.node import x"), "app.py:2 imports stackyard.node.x"),
    (rules.layers, tree(kernel__app="from ..hosts import nft"), "imports stackyard.hosts.nft"),
    (rules.layers, tree(hosts__nft="from stackyard.kernel import errors"), "hosts wrap the outside world"),
    (rules.layers, tree(node__host="from stackyard.rooms.network import store"), "a node knows the kernel"),
    (rules.layers, tree(node__host="from stackyard.rooms.network.facade import port"), "a node knows the kernel"),
    (rules.layers, network("from stackyard.hosts import nft"), "the network room knows"),
    (rules.layers, network("from stackyard.assemble import app"), "the network room knows"),
    (rules.layers, network("from stackyard.rooms.network.drivers import linux"), "its manifest names the drivers"),
    (rules.layers, network("from stackyard.rooms.image import facade"), "imports stackyard.rooms.image.facade"),
    (rules.layers, network("from stackyard.rooms.image import store", "image"), "imports stackyard.rooms.image.store"),
    (rules.layers, driver("from stackyard.kernel import errors"), "a driver knows its contract"),
    (rules.layers, driver("from stackyard.rooms.container import driver"), "a driver knows its contract"),
    (rules.layers, driver("from ...image.driver import Image"), "imports stackyard.rooms.image.driver.Image"),
    (rules.layers, tree(elsewhere="import stackyard.kernel.room"), "only the folders of the architecture page"),
    (rules.layers, tree(assemble="from stackyard.cli import up"), "nobody's foundation"),
    (rules.manifests_look_left, tree(rooms__image__room=manifest("network")), "uses network, which is not to its left"),
    (rules.manifests_look_left, tree(rooms__weather__room=manifest()), "no room of that name"),
    (rules.composition, tree(node__host="import stackyard.assemble"), "above everything else"),
    (rules.libraries, image(facade="import sqlalchemy as sa"), "SQL belongs to"),
    (rules.libraries, image(resources__image__rules="from sqlalchemy import select"), "SQL belongs to"),
    (rules.libraries, tree(cli__up="import sqlite3"), "SQL belongs to"),
    (rules.libraries, tree(kernel__app="import docker"), "reached through hosts and drivers"),
    (
        rules.cycles,
        tree(kernel__a="from stackyard.kernel.b import x", kernel__b="import stackyard.kernel.a"),
        "stackyard.kernel.a → stackyard.kernel.b → stackyard.kernel.a",
    ),
    (
        rules.cycles,
        tree(kernel__a="def f():\n    from . import b", kernel__b="from .c import x", kernel__c="from . import a"),
        "stackyard.kernel.a → stackyard.kernel.b → stackyard.kernel.c → stackyard.kernel.a",
    ),
    (
        rules.cycles,
        image(facade="from .resources.image import store", resources__image__store="from ... import facade"),
        "stackyard.rooms.image.facade → stackyard.rooms.image.resources → stackyard.rooms.image.facade",
    ),
    (rules.uniform_rooms, tree(rooms__image__facade=""), "has no room.py"),
    (rules.uniform_rooms, image(views=""), "image/views.py: a room's own files are"),
    (rules.uniform_rooms, image(models__image=""), "a room's folders are"),
    (rules.uniform_rooms, image(resources__image__models=""), "split by concern, not by layer"),
    (rules.uniform_rooms, image(resources__image__rules=""), "has no resource.py"),
    (rules.uniform_rooms, image(resources__member__resource=""), "is one file, resources/member.py"),
    (rules.uniform_rooms, image(resources__image__rules__show=""), "not a tree"),
    (rules.names, tree(kernel__string_utils=""), "name it by what it offers"),
    (rules.names, image(common__x=""), "name it by what it offers"),
    (rules.names, tree(kernel__quota=says("class QuotaManager: ...")), "class QuotaManager"),
    (rules.docstrings, tree(kernel__app="x = 1"), "kernel/app.py: says not what it is for"),
    (rules.machine_paths, tree(kernel__app="ROOT = '/home/someone/stackyard'"), "app.py:1 names /home, a path"),
]


@pytest.mark.parametrize(("rule", "broken", "complaint"), BREAKING, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_finds_what_breaks_it(rule: Rule, broken: Tree, complaint: str) -> None:
    assert complaint in "\n".join(rule(broken))


def test_every_rule_has_been_seen_to_fail() -> None:
    assert {rule for rule, _, _ in BREAKING} == set(rules.RULES)


KEEPING = tree(
    __init__=says('__version__ = "1"'),
    kernel__database=says(
        "import sqlalchemy",
        "from typing import TYPE_CHECKING",
        "if TYPE_CHECKING:",
        "    from stackyard.kernel import app",
    ),
    kernel__app=says("import msgspec", "from stackyard import __version__", "from stackyard.kernel.database import x"),
    hosts__nft=says("from stackyard.hosts.process import run"),
    hosts__process=says("import subprocess"),
    node__host=says("from stackyard.kernel import app", "from stackyard.rooms.network.driver import Port"),
    rooms__image__room=manifest("identity"),
    rooms__image__facade=says("from stackyard.rooms.identity.facade import x", "from .resources.image import store"),
    rooms__image__resources__tag=says("import sqlalchemy as sa"),
    rooms__image__resources__image__resource=says("import sqlalchemy", "from . import rules"),
    rooms__image__resources__image__rules=says("from .resource import IMAGE", "from ...formats import known"),
    rooms__image__formats=says("from .resources.image.store import find"),
    rooms__image__resources__image__store=says("from sqlalchemy import select"),
    rooms__image__drivers__files=says("from ..driver import Store", "from stackyard.hosts import nft"),
    rooms__image__driver=says("from stackyard.kernel.app import x"),
    rooms__key_manager__room=says("from stackyard.kernel.room import Room", "class KeyManager: ..."),
    assemble=says("from stackyard.rooms.image.room import ROOM", "from stackyard.rooms.image.drivers import files"),
    cli__up=says("from stackyard import assemble", 'WORKERS = "/worker/home"'),
)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_rule_finds_nothing_in_a_tree_that_keeps_it(rule: Rule) -> None:
    assert rule(KEEPING) == []


def test_sizes_name_the_long_files_and_functions() -> None:
    body = "    x = 1\n" * 60
    text = sizes.report(tree(kernel__app=f"def long():\n{body}" + "\n" * 400))
    assert "1 files over 400 lines" in text
    assert "stackyard/kernel/app.py:long" in text
