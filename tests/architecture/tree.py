"""Source code as data: modules, what each imports, how long its parts are.

Reads a mapping of path → text, so that the rules are tried on small trees in memory as well as on the real one.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Import:
    """One imported module or name, as an absolute dotted path, and the line it stands on."""

    target: str
    line: int

    def within(self, *packages: str) -> bool:
        """Whether it is one of these packages or modules, or inside one."""
        return any(self.target == package or self.target.startswith(package + ".") for package in packages)


@dataclass(frozen=True)
class Module:
    """A Python file. `path` is relative to the project."""

    path: PurePosixPath
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of its syntax: most rules look through them all."""
        return list(ast.walk(self.syntax))

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def name(self) -> str:
        """Its dotted name, a package's without `__init__`."""
        parts = self.path.parent.parts if self.is_package else (*self.path.parent.parts, self.path.stem)
        return ".".join(parts)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def room(self) -> str:
        """The room it belongs to, or nothing."""
        return self.path.parts[2] if self.path.parts[:2] == ("stackyard", "rooms") and len(self.path.parts) > 3 else ""

    def within(self, *packages: str) -> bool:
        """Whether it is one of these packages or modules, or inside one."""
        return Import(self.name, 0).within(*packages)

    @cached_property
    def imports(self) -> list[Import]:
        """Everything it imports anywhere, under TYPE_CHECKING and inside functions too. `from a import b` gives a.b."""
        return [found for node in self.nodes for found in self._imported(node)]

    def _imported(self, node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = self._source(node)
            yield from (Import(f"{source}.{alias.name}", node.lineno) for alias in node.names)

    def _source(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        base = package[: len(package) - (node.level - 1)]
        return ".".join([*base, node.module] if node.module else base)

    @cached_property
    def functions(self) -> list[tuple[int, str]]:
        """(lines, name) of every function and method."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = (node for node in self.nodes if isinstance(node, kinds))
        return [((node.end_lineno or node.lineno) - node.lineno + 1, node.name) for node in found]


@dataclass(frozen=True)
class Tree:
    """The package's modules by dotted name, and its other files by path."""

    modules: Mapping[str, Module]
    files: Mapping[PurePosixPath, str]

    def modules_imported_by(self, module: Module) -> set[str]:
        """The tree's own modules that it imports: `from a import b` is a.b when that is a module, else a."""
        own = set()
        for each in module.imports:
            target = each.target
            while target and target not in self.modules:
                target = target.rpartition(".")[0]
            if target and target != module.name:
                own.add(target)
        return own

    @property
    def rooms(self) -> list[str]:
        return sorted({module.room for module in self.modules.values() if module.room})


def from_texts(texts: Mapping[str, str]) -> Tree:
    """A tree of these paths and texts."""
    files = {PurePosixPath(path): text for path, text in texts.items()}
    modules = (Module(path, text) for path, text in files.items() if path.suffix == ".py")
    return Tree({module.name: module for module in modules}, files)


def real(package: str = "stackyard") -> Tree:
    """The project's own package, caches and binary files left out."""
    texts = {}
    for path in sorted((PROJECT / package).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            texts[path.relative_to(PROJECT).as_posix()] = path.read_text(errors="replace")
    return from_texts(texts)
