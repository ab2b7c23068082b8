"""The documentation is true: what it names exists, and what it tells to do works."""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.cli.main import parser
from tests.architecture.tree import PROJECT

PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]
EXTEND = sorted((PROJECT / "docs" / "extend").glob("*.md"))
#: The first folders of paths in this repository; others in the pages are on the reader's host.
FOLDERS = ("bench/", "bin/", "docs/", "requirements/", "stackyard/", "tests/", "conformance/", "rooms/", "kernel/")


def verbs_of(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands that a command line knows at its next word: argparse keeps no public list."""
    found = [each for each in command._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def options_of(command: argparse.ArgumentParser) -> set[str]:
    """The options of a command and of those below it."""
    below = [options_of(each) for each in verbs_of(command).values()]
    return {each for each in command._option_string_actions if each.startswith("--")}.union(*below)


COMMANDS = verbs_of(parser())


def page_id(page: Path) -> str:
    return str(page.relative_to(PROJECT))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


def blocks(text: str, language: str = r"\w*") -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def code(text: str) -> list[str]:
    """Every word or line set as code, in the text and in blocks."""
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return inline + [line for block in blocks(text) for line in block.splitlines()]


def made_by(page: Path) -> list[Path]:
    """The files that a page tells its reader to make."""
    named = (re.match(r"# (\S+\.py)\n", block) for block in blocks(page.read_text(), "python"))
    return [Path(found.group(1)) for found in named if found]


def new_words(page: Path) -> set[str]:
    """The names that come into the tree when a page is followed."""
    files = made_by(page)
    return {each.stem for file in files for each in (file, *file.parents) if not (PROJECT / each).exists()}


def exists(name: str, page: Path) -> bool:
    """Whether a path in a page is in the repository: from its root, from the package, or from where the page is."""
    places = (PROJECT, PROJECT / "stackyard", page.parent)
    return any((place / each).exists() for place in places for each in (name, f"{name}.py"))


@every_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    words = [word for line in code(page.read_text()) for word in re.findall(r"[\w./-]+", line)]
    named = {word.rstrip("/.") for word in words if word.startswith(FOLDERS)}
    ours = {name for name in named if not new_words(page) & {each.partition(".")[0] for each in name.split("/")}}
    assert not {name for name in ours if not exists(name, page)}


@every_page
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


@every_page
def test_every_anchor_is_a_heading_of_its_page(page: Path) -> None:
    text = page.read_text()
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


@every_page
def test_every_module_that_a_page_names_can_be_imported(page: Path) -> None:
    named = {name for line in code(page.read_text()) for name in re.findall(r"\bstackyard(?:\.\w+)+", line)}
    ours = {name for name in named if not new_words(page) & set(name.split("."))}
    assert not {name for name in ours if not is_module_or_member(name)}


def is_module_or_member(name: str) -> bool:
    if name in ("stackyard.db", "stackyard.service"):  # files
        return True
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        parent, _, member = name.rpartition(".")
        return bool(parent) and hasattr(importlib.import_module(parent), member)
    return True


@every_page
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    for line in code(page.read_text()):
        for command, rest in re.findall(r"(?:^|[\s/(|])stackyard ([a-z][\w|-]*)((?: [^#&;|\n]*)?)", line):
            for one in command.split("|"):
                assert one in COMMANDS, f"{line}: there is no command {one}"
            options = set(re.findall(r"(?<!\S)--[a-z][\w-]*", rest))
            assert options <= options_of(COMMANDS[command.split("|")[0]]), line


def test_the_operators_pages_tell_of_every_command_and_option() -> None:
    told = " ".join(each.read_text() for each in (PROJECT / "docs" / "operate").glob("*.md"))
    assert not {command for command in COMMANDS if f"stackyard {command}" not in told}
    assert not {option for each in COMMANDS.values() for option in options_of(each) - {"--help"} if option not in told}


def test_every_room_has_its_page() -> None:
    rooms = [each.parent.name for each in (PROJECT / "stackyard" / "rooms").glob("*/room.py")]
    assert not [room for room in rooms if not (PROJECT / "docs" / "rooms" / f"{room}.md").exists()]


@pytest.mark.parametrize("page", EXTEND, ids=page_id)
def test_an_extend_page_is_short(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= 40


def test_no_two_decisions_have_one_number() -> None:
    numbers = [each.name[:4] for each in (PROJECT / "docs" / "decisions").glob("*.md")]
    assert sorted(set(numbers)) == sorted(numbers)


def test_every_library_that_runs_with_the_cloud_is_accounted_for() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w.-]+", each).group(0).lower() for each in declared}  # type: ignore[union-attr]
    page = (PROJECT / "docs" / "decisions" / "0001-libraries.md").read_text().lower()
    assert not {name for name in names if name not in page}


# -- what the extend pages tell to do, done in a copy --


def a_copy(folder: Path) -> Path:
    for name in ("stackyard", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def run(copy: Path, *words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


def follow(page: Path, copy: Path) -> None:
    """Write each file that a page shows, and run each command."""
    text = page.read_text()
    for block in blocks(text, "python"):
        first, _, rest = block.partition("\n")
        file = copy / first.removeprefix("# ")
        assert not file.exists(), f"{page_id(page)} makes {first.removeprefix('# ')}, which is there by now"
        packages(file.parent, copy)
        file.write_text(rest)
    for line in "\n".join(blocks(text, "sh")).splitlines():
        run(copy, "sh", "-ec", line.replace(".venv/bin/python", sys.executable))


def packages(folder: Path, copy: Path) -> None:
    """Make a package, and those it lies in."""
    for each in [*reversed(folder.relative_to(copy).parents), folder.relative_to(copy)]:
        if not (copy / each).exists():
            (copy / each).mkdir()
            (copy / each / "__init__.py").write_text(f'"""{each.name}."""\n')


CATALOG_TEST = '''
from pathlib import Path
from stackyard.testing.cloud import cloud

def test_categories_are_kept_and_only_administrators_make_them(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        path = "/application-catalog/v1/catalog/categories"
        running.admin.post(path, {"name": "web"}, ok=200)
        assert [each["name"] for each in running.demo.get(path)["categories"]] == ["web"]
        running.demo("POST", path, {"name": "mine"}, ok=403)
        offered = running.admin.get("/identity/v3/services?type=application-catalog")["services"]
        assert [each["name"] for each in offered] == ["murano"]
'''


@pytest.mark.thorough
def test_what_the_extend_pages_tell_to_do_works(tmp_path: Path) -> None:
    copy = a_copy(tmp_path)
    packages(copy / "stackyard/rooms/application_catalog/migrations", copy)
    for page in EXTEND:
        follow(page, copy)
    root = copy / "stackyard/assemble.py"
    place = '\\1, "application_catalog")'
    root.write_text(re.sub(r"^(ROOMS: .*)\)$", place, root.read_text(), count=1, flags=re.MULTILINE))
    (copy / "tests/test_catalog.py").write_text(CATALOG_TEST)
    made = [str(file) for page in EXTEND for file in made_by(page) if file.name.startswith("test_")]
    run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_catalog.py", *made)
