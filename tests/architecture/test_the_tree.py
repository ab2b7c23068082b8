"""The project's own tree keeps its rules."""

from collections.abc import Callable

import pytest

from tests.architecture import sizes, tree
from tests.architecture.rules import RULES

THE_TREE = tree.real()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Callable[[tree.Tree], list[str]]) -> None:
    complaints = rule(THE_TREE)
    assert not complaints, f"{rule.__doc__}\n" + "\n".join(complaints)


def test_sizes_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\n" + sizes.report(THE_TREE))
    assert len(THE_TREE.modules) > 10, "the report is about a tree that was really read"
