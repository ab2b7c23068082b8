"""What counts as passed, and that the page says what the results and the declarations say."""

from pathlib import Path

import pytest

from conformance import lists, page
from conformance.lists import OFFERED, SERVICES, Service
from conformance.score import Miss, Outcome, Score, missed, short

ONE, TWO = "suite.things.ThingsTest.test_one[id-1,smoke]", "suite.things.ThingsTest.test_two[id-2]"


def test_a_listed_test_passes_only_by_its_own_success() -> None:
    assert missed([ONE, TWO], {ONE: Outcome("success"), TWO: Outcome("fail", "Error: no")}) == [
        Miss(TWO, "fail", "Error: no")
    ]


def test_a_test_that_never_ran_has_not_passed() -> None:
    assert missed([ONE], {}) == [Miss(ONE, "fail", "It did not run.")]


def test_a_failed_class_set_up_fails_every_listed_test_of_the_class() -> None:
    outcomes = {"setUpClass (suite.things.ThingsTest)": Outcome("fail", "no network")}
    assert [(each.id, each.reason) for each in missed([ONE, TWO], outcomes)] == [
        (ONE, "no network"),
        (TWO, "no network"),
    ]


def test_a_failed_class_tear_down_does_not_take_back_a_success() -> None:
    outcomes = {ONE: Outcome("success"), "tearDownClass (suite.things.ThingsTest)": Outcome("fail", "in use")}
    assert missed([ONE], outcomes) == []


def test_a_skipped_test_has_not_passed() -> None:
    assert [each.status for each in missed([ONE], {ONE: Outcome("skip", "not here")})] == ["skip"]


def test_a_reason_is_the_end_of_the_traceback_and_the_same_in_every_run() -> None:
    text = (
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    raise E()\n'
        "E: GET http://127.0.0.1:4711/v2/1c1b8b56-0f2a-4b7e-9f3c-0123456789ab of tempest-net-123456789: no\n"
    )
    assert short(text) == "E: GET http://<cloud>/v2/<id> of tempest-net-<n>: no"


def test_a_result_reads_back_as_it_was_saved(tmp_path: Path) -> None:
    score = Score("network", "Tempest 1", "2026-01-01", 2, 1, [Miss(ONE, "fail", "no")])
    score.save(tmp_path)
    assert Score.load("network", tmp_path) == score
    assert Score.load("image", tmp_path) is None


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_no_list_is_empty_or_counts_a_test_twice(service: Service) -> None:
    assert service.tests
    assert len(set(service.tests)) == len(service.tests)


def test_the_quick_list_has_tests_of_every_service_offered_and_no_others() -> None:
    quick = set(lists.fast())
    assert all(quick & set(each.tests) for each in OFFERED)
    assert quick <= {test for each in OFFERED for test in each.tests}


def test_a_test_runs_at_the_microversion_it_is_written_for() -> None:
    [container] = [each for each in OFFERED if each.name == "container"]
    rounds = lists.rounds(container.tests)
    assert list(rounds) == ["1.40", "1.39", "1.24"]
    assert sorted(test for some in rounds.values() for test in some) == sorted(container.tests)


@pytest.mark.parametrize("service", OFFERED, ids=lambda each: each.name)
def test_every_service_offered_has_a_result_of_its_whole_list(service: Service) -> None:
    score = Score.load(service.name)
    assert score is not None
    assert score.listed == len(service.tests)
    assert score.passed == score.listed - len(score.missed)
    assert {each.id for each in score.missed} <= set(service.tests)


def test_the_page_is_what_the_results_and_the_declarations_say() -> None:
    assert page.PAGE.read_text() == page.text(), "out of date: run `bin/conformance --page` and commit the page"


def test_services_that_are_not_offered_are_on_the_page() -> None:
    for service in SERVICES:
        if not service.room:
            assert (
                f"| {service.name.replace('_', ' ')} | {service.project} | {len(service.tests)} | not offered yet"
                in page.text()
            )
