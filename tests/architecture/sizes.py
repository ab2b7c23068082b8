"""The tree's sizes as a report: places to look, not limits."""

from tests.architecture.tree import Tree

LONG_FILE = 400
LONG_FUNCTION = 50


def report(tree: Tree) -> str:
    """Totals, medians, the longest files and functions."""
    modules = [module for module in tree.modules.values() if module.lines]
    functions = [(lines, f"{module.path}:{name}") for module in modules for lines, name in module.functions]
    files = [(module.lines, str(module.path)) for module in modules]
    return "\n".join(
        [
            f"{len(files)} modules, {sum(lines for lines, _ in files)} lines, median {_median(files)}",
            f"{len(functions)} functions, median {_median(functions)} lines",
            *_longest("files", files, LONG_FILE),
            *_longest("functions", functions, LONG_FUNCTION),
        ]
    )


def _median(sized: list[tuple[int, str]]) -> int:
    return sorted(sized)[len(sized) // 2][0] if sized else 0


def _longest(kind: str, sized: list[tuple[int, str]], limit: int) -> list[str]:
    long = sorted((each for each in sized if each[0] > limit), reverse=True)
    return [f"{len(long)} {kind} over {limit} lines", *(f"  {lines:5} {name}" for lines, name in long[:10])]
