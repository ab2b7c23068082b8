"""The examples for other projects' tests work as they stand, in a project that knows nothing of this one."""

from pathlib import Path

import pytest

from tests.architecture.test_docs import blocks
from tests.architecture.tree import PROJECT

pytest_plugins = ["pytester"]

PAGE = PROJECT / "docs" / "testing.md"


def test_the_examples_of_the_page_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [each for each in blocks(PAGE.read_text(), "python") if "def test_" in each]
    assert len(examples) == 2
    for number, text in enumerate(examples):
        Path(f"test_example_{number}.py").write_text(text)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # In a process of its own: pytester drops what was imported meanwhile from this one, and libraries that imported
    # parts of each other late are then of two kinds.
    done = pytester.runpytest_subprocess("-p", "stackyard.testing.plugin", "-p", "no:cacheprovider", "--strict-markers")
    done.assert_outcomes(passed=sum(each.count("def test_") for each in examples))
