"""The examples for other projects' tests work as they stand, in a project that knows nothing of this one."""

from pathlib import Path

import pytest

from tests.architecture.test_docs import blocks
from tests.architecture.tree import PROJECT

pytestmark = pytest.mark.thorough

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


def test_what_a_test_scripts_of_a_shared_cloud_holds_for_that_test_only(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("""
        import pytest

        pytestmark = pytest.mark.stackyard(region="Shared", threads=2)
        NETWORKS, seen = "/networking/v2.0/networks", []

        def test_one_that_scripts(stackyard_shared_cloud):
            seen.append(stackyard_shared_cloud)
            assert stackyard_shared_cloud.settings.region == "Shared"
            stackyard_shared_cloud.transitions.fail("network", "list", "The networks are away.")
            stackyard_shared_cloud.demo("GET", NETWORKS, ok=503)

        def test_one_that_does_not(stackyard_shared_cloud):
            assert seen == [stackyard_shared_cloud]
            stackyard_shared_cloud.demo("GET", NETWORKS, ok=200)
    """)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    done = pytester.runpytest_subprocess("-p", "stackyard.testing.plugin", "-p", "no:cacheprovider", "--strict-markers")
    done.assert_outcomes(passed=2)
