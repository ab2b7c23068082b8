"""The whole API asked all that its own document allows, and much that it does not: never an error of ours, never a
status that the document does not know."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from stackyard.testing.cloud import Persona, RunningCloud, cloud

#: What would end the fuzzing itself: the token that it asks with.
SPARED = {("DELETE", "/identity/v3/auth/tokens")}


@dataclass
class Fuzzer:
    """Asks one cloud as its administrator, and keeps what should not have been answered."""

    running: RunningCloud
    admin: Persona
    document: Any
    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    complaints: list[str] = field(default_factory=list)
    asked: int = 0

    def ask(self, examples: int, mode: GenerationMode, every: int = 1) -> None:
        """Some requests to each operation that is offered, or to one in `every`."""
        schema = schemathesis.openapi.from_dict(self.document)
        for result in list(schema.get_all_operations())[::every]:
            operation = result.ok()
            method, path = operation.method.upper(), operation.path
            known = set(self.document["paths"][path][method.lower()]["responses"])
            if (method, path) not in SPARED and known != {"401", "501"}:
                self._ask(operation, examples, mode, known)

    def _ask(self, operation: Any, examples: int, mode: GenerationMode, known: set[str]) -> None:
        @seed(20261123)
        @settings(
            max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
        def ask(case: Any, real: bool) -> None:
            answer = self._answer(case, operation.path, real)
            if answer is not None and str(answer.status_code) not in known:
                self.complaints.append(
                    f"{operation.method.upper()} {answer.request.url} {case.query} {case.body!r:.300}: "
                    f"{answer.status_code} {answer.text[:300]}"
                )

        with suppress(Unsatisfiable):  # nothing is wrong there that could be sent
            ask()

    def _answer(self, case: Any, path: str, real: bool) -> httpx.Response | None:
        if "watch" in (case.query or {}):
            return None
        if real and case.path_parameters and (case.method == "GET" or not path.startswith("/identity")):
            case.path_parameters = {**case.path_parameters, **self._real(path)}
        sent = case.as_transport_kwargs(base_url=self.running.url)
        headers = {**(sent.get("headers") or {}), "X-Auth-Token": self.admin.token}
        body = {"json": sent["json"]} if "json" in sent else {}
        self.asked += 1
        try:
            return self.admin.http.request(
                sent["method"], sent["url"], params=sent.get("params"), headers=headers, **body
            )
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            return None  # the client itself cannot say this

    def _real(self, path: str) -> dict[str, str]:
        """The id of an object that is there, for the first placeholder of a path."""
        collection, _, rest = path.partition("/{")
        found = self.ids[collection]
        return {rest.partition("}")[0]: found[-1]} if found else {}


def _populate(fuzzer: Fuzzer) -> None:
    admin = fuzzer.admin
    network = admin.post("/networking/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    wanted = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
    admin.post("/networking/v2.0/subnets", {"subnet": wanted})
    admin.post("/networking/v2.0/ports", {"port": {"network_id": network}})
    admin.post("/networking/v2.0/routers", {"router": {"name": "r"}})
    admin.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})
    for path in fuzzer.document["paths"]:
        answer = admin("GET", path) if "{" not in path and not path.endswith("tokens") else None
        if answer is not None and answer.status_code == 200 and "json" in answer.headers.get("content-type", ""):
            lists = [each for each in answer.json().values() if isinstance(each, list)]
            found = [each for many in lists for each in many if isinstance(each, dict)]
            fuzzer.ids[path] = [one for each in found if (one := each.get("id") or each.get("uuid"))]


@pytest.fixture
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    with cloud(tmp_path_factory.mktemp("fuzz")) as running:
        document = httpx.get(f"{running.url}/openapi.json", trust_env=False, timeout=30).json()
        made = Fuzzer(running, running.admin, document)
        _populate(made)
        assert made.ids["/networking/v2.0/networks"]
        yield made


def _judge(fuzzer: Fuzzer, least: int) -> None:
    assert fuzzer.asked >= least
    seen = {re.sub(r"\?.*", "", each)[:120]: each for each in fuzzer.complaints}
    assert not seen, "\n".join(seen.values())


def test_a_sample_of_all_kinds_of_request_is_answered_as_the_document_says(fuzzer: Fuzzer) -> None:
    fuzzer.ask(1, GenerationMode.POSITIVE, every=5)
    _judge(fuzzer, 30)


@pytest.mark.integration
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "not allowed"])
def test_many_requests_of_every_kind_are_answered_as_the_document_says(fuzzer: Fuzzer, mode: GenerationMode) -> None:
    fuzzer.ask(2 if mode is GenerationMode.POSITIVE else 1, mode)
    _judge(fuzzer, 150)
