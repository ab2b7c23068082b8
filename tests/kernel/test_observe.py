"""What a cloud tells of itself: metrics, whether it lives and is ready, and who may see what."""

import json
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stackyard.kernel.journal.timeline import operations_of
from stackyard.kernel.logs import JsonLines
from stackyard.kernel.observe.pages import TOKEN_FILE, Page
from stackyard.kernel.request.app import MOST_LOOKING
from stackyard.kernel.request.exchange import Reply
from stackyard.testing.cloud import RunningCloud, cloud
from tests.kernel.stage import stage

NETWORKS = "/networking/v2.0/networks"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def ask(running: RunningCloud, path: str, *, observer: bool = False, method: str = "GET", **headers: str) -> Any:
    if observer:
        headers["Authorization"] = f"Bearer {(running.settings.state_dir / TOKEN_FILE).read_text().strip()}"
    return httpx.request(method, f"{running.url}{path}", headers=headers, trust_env=False, timeout=30)


def number(running: RunningCloud, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    families = text_string_to_metric_families(ask(running, "/metrics", observer=True).text)
    samples = (each for family in families for each in family.samples if each.name == f"stackyard_{name}")
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


def created(running: RunningCloud) -> str:
    """A container's id, once it is made."""
    made = running.demo.post("/container/v1/containers", {"image": "web", "nets": []}, ok=202)
    running.settle()
    return str(made["uuid"])


def test_metrics_are_for_those_who_hold_the_observers_token(running: RunningCloud) -> None:
    for words in ("", "Bearer", "Bearer guess", "Basic Z3Vlc3M="):
        refused = ask(running, "/metrics", Authorization=words)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "stackyard_" not in refused.text
    answer = ask(running, "/metrics", observer=True)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (running.settings.state_dir / TOKEN_FILE).stat().st_mode & 0o777 == 0o600


def test_another_token_counts_from_the_moment_it_is_put_there(running: RunningCloud) -> None:
    file = running.settings.state_dir / TOKEN_FILE
    before = file.read_text().strip()
    file.write_text("another\n")
    assert ask(running, "/metrics", Authorization=f"Bearer {before}").status_code == 401
    assert ask(running, "/metrics", observer=True).status_code == 200


def test_a_request_is_counted_by_its_route_never_by_an_id(running: RunningCloud) -> None:
    demo = running.demo
    made = demo.post(NETWORKS, {"network": {"name": "seen"}})["network"]
    asked = {"service": "network", "route": f"{NETWORKS}/{{id}}", "method": "GET"}
    before = number(running, "request_duration_seconds_count", **asked, status="2xx")
    demo.get(f"{NETWORKS}/{made['id']}")
    demo("GET", f"{NETWORKS}/nothing", ok=404)
    assert number(running, "request_duration_seconds_count", **asked, status="2xx") == before + 1
    assert number(running, "request_duration_seconds_count", **asked, status="4xx") == 1
    httpx.request("BREW", f"{running.url}/{made['id']}", trust_env=False, timeout=30)
    text = ask(running, "/metrics", observer=True).text
    assert made["id"] not in text
    assert "BREW" not in text


def test_an_operation_its_steps_and_its_calls_are_counted(running: RunningCloud) -> None:
    created(running)
    what = {"resource": "container", "action": "create"}
    assert number(running, "operations_total", **what, result="failed") >= 1
    assert number(running, "step_failures_total", **what, consequence="given up") == 1
    assert number(running, "step_duration_seconds_count", **what, step="choose a host") == 1
    assert number(running, "operation_duration_seconds_count", **what) == 1
    assert number(running, "driver_call_duration_seconds_count", driver="container", outcome="ok") > 0
    assert number(running, "operations_live", state="queued") == 0
    assert number(running, "operation_queue_age_seconds") == 0
    assert number(running, "dead_letters") == 0


def test_what_is_logged_of_an_operation_carries_the_ids_of_what_it_is_about(running: RunningCloud) -> None:
    said: list[Any] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(json.loads(JsonLines().format(record)))  # type: ignore[method-assign]
    logging.getLogger("stackyard.journal").addHandler(handler)
    try:
        uuid = created(running)
    finally:
        logging.getLogger("stackyard.journal").removeHandler(handler)
    (failure,) = [each for each in said if uuid in each["message"]]
    with running.cloud.database.read() as tx:
        (operation,) = operations_of(tx, uuid)
    assert (failure["operation_id"], failure["request_id"]) == (operation.id, operation.request_id)
    assert (failure["project_id"], failure["user_id"]) == (operation.project_id, operation.requester["user_id"])


def test_repairs_nodes_the_database_and_the_process_are_told(running: RunningCloud) -> None:
    running.cloud.reconcilers.run_once("network")
    assert number(running, "reconciler_duration_seconds_count", reconciler="network", outcome="done") > 0
    assert number(running, "node_connected", node="testhost") == 1
    assert number(running, "node_last_seen_timestamp_seconds", node="testhost") > 1e9
    assert number(running, "database_commit_seconds_count") > 0
    assert number(running, "database_write_wait_seconds_count") > 0
    assert "process_resident_memory_bytes" in ask(running, "/metrics", observer=True).text


def test_every_metric_is_explained_to_the_operator(running: RunningCloud) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate" / "observe.md").read_text()
    families = text_string_to_metric_families(ask(running, "/metrics", observer=True).text)
    ours = {each.name for each in families if each.name.startswith("stackyard_")}
    assert len(ours) > 20
    assert not {name for name in ours if f"`{name}`" not in page and f"`{name}_total`" not in page}


def test_two_servers_count_each_for_itself(running: RunningCloud, tmp_path: Path) -> None:
    running.demo.get(NETWORKS)
    route = {"route": NETWORKS, "method": "GET"}
    with cloud(tmp_path) as other:
        assert number(other, "request_duration_seconds_count", **route) == 0
    assert number(running, "request_duration_seconds_count", **route) > 0


def test_everyone_may_know_whether_the_server_lives_and_is_ready_and_no_more(running: RunningCloud) -> None:
    assert ask(running, "/livez").text == "alive"
    assert ask(running, "/readyz").text == "ready"
    asked_for_json = ask(running, "/readyz", Accept="application/json")
    assert (asked_for_json.status_code, asked_for_json.text) == (200, "ready")
    assert ask(running, "/healthcheck").text == "OK"
    assert ask(running, "/identity/healthcheck", Accept="application/json").json() == {
        "detailed": False, "reasons": ["OK"],
    }  # fmt: skip
    assert ask(running, "/healthcheck", method="HEAD").status_code == 204
    assert ask(running, "/readyz", method="POST").status_code == 405


def test_a_server_that_cannot_do_its_work_is_not_ready_and_tells_the_observer_why(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        told = ask(running, "/readyz", observer=True, Accept="application/json")
        assert told.json() == {
            "ready": True, "checks": dict.fromkeys(("database", "workers", "node", "draining"), "ok"),
        }  # fmt: skip
        running.cloud.health.drain()
        running.cloud.node.close()
        running.cloud.nodes.close()
        running.cloud.workers.stop()
        with running.cloud.database.write() as tx:
            kernel = "WHERE substr(version_num, 1, 6) = 'kernel'"
            tx.connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = 'x' {kernel}")
        refused = ask(running, "/readyz", observer=True, Accept="application/json")
        assert refused.status_code == 503
        assert refused.json()["checks"] == {
            "database": "the database is not at this version", "workers": "the workers are stopping",
            "node": "node testhost is not connected", "draining": "the server is stopping",
        }  # fmt: skip
        assert (ask(running, "/readyz").status_code, ask(running, "/readyz").text) == (503, "not ready")
        assert (ask(running, "/healthcheck").status_code, ask(running, "/healthcheck").text) == (503, "NOT READY")
        assert ask(running, "/healthcheck", method="HEAD").status_code == 503
        assert ask(running, "/livez").status_code == 200
        assert number(running, "ready") == 0
        assert number(running, "check_ok", check="draining") == 0


@pytest.mark.thorough
def test_a_flood_of_looks_at_a_server_that_hangs_is_refused_and_it_still_lives(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        hangs = threading.Event()
        running.cloud.front.beside = {
            **running.cloud.front.beside, "/readyz": Page(lambda request: hangs.wait(30) and Reply(status=200)),
        }  # fmt: skip
        with ThreadPoolExecutor(MOST_LOOKING + 8) as crowd:
            asked = [crowd.submit(ask, running, "/readyz") for _ in range(MOST_LOOKING + 8)]
            refused = [each.result().status_code for each in islice(as_completed(asked), 8)]
            assert refused == [503] * 8
            assert ask(running, "/livez").status_code == 200
            hangs.set()
            assert [each.result().status_code for each in asked].count(200) == MOST_LOOKING


def test_how_long_operations_wait_is_told_by_the_clouds_clock_and_not_by_the_machines(tmp_path: Path) -> None:
    with stage(tmp_path) as staged:
        staged.ask("POST", "/container/v1/containers", {"image": "web"})
        staged.clock.pass_(100)
        token = (staged.settings.state_dir / TOKEN_FILE).read_text().strip()
        said = staged.request("GET", "/metrics", Authorization=f"Bearer {token}").text
        [age] = re.findall(r"^stackyard_operation_queue_age_seconds (\S+)$", said, re.MULTILINE)
        assert 100 <= float(age) < 160
