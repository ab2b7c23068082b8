"""Two whole servers on one PostgreSQL, one's clock seven minutes ahead, the other's seven late: the cloud has one time.

Their clocks are wrong for all they do, libraries included: Debian's libfaketime answers instead of the system. Only
the monotonic clock stays, as it has no relation to the time of day.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from stackyard.kernel.journal.tables import OPERATIONS, RUNNING, STEPS
from stackyard.kernel.storage.database import Database, Record
from stackyard.testing.personas import Persona
from stackyard.testing.postgres import postgres
from tests.servers import IMAGE, Process, eventually, joins, settings_of

pytestmark = pytest.mark.thorough

CONTAINERS = "/container/v1/containers"
NETWORKS, SUBNETS = "/networking/v2.0/networks", "/networking/v2.0/subnets"
CREDENTIALS, TOKENS = "/identity/v3/users/{user}/application_credentials", "/identity/v3/auth/tokens"
#: How far apart what the servers take for the database's time may be.
NEAR = timedelta(seconds=1)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as running:
        yield running.database("cloud")


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[Database]:
    """What the servers have written, and the time by the database's clock."""
    found = Database(url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def servers(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Process]]:
    """The server whose clock is ahead and the one whose clock is late."""
    folder = tmp_path_factory.mktemp("servers")
    first, second = _server(folder / "ahead", url, "+7m"), _server(folder / "late", url, "-7m")
    first.folder.mkdir()
    try:
        first.start()
        joins(first.folder, second.folder)
        second.start()
        yield first, second
    finally:
        first.end()
        second.end()
        _tidy()


def _server(folder: Path, url: str, wrong_by: str) -> Process:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    wrong = {"LD_PRELOAD": str(library), "FAKETIME": wrong_by, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return Process(folder, folder.name, settings_of(url), wrong | {"STACKYARD_CRASH_FILE": str(folder / "crash")})


def _tidy() -> None:
    """Remove what libfaketime keeps in memory for each process, and leaves there when one is killed."""
    for left in Path("/dev/shm").glob("*faketime_*_*"):
        if not Path("/proc", left.name.rpartition("_")[2]).exists():
            left.unlink()


@pytest.fixture
def both(servers: tuple[Process, Process]) -> tuple[Process, Process]:
    """Both servers, alive and connected with each other."""
    for each in servers:
        each.start()
    for each in servers:
        admin = each.admin
        eventually(lambda admin=admin: {"up"} == _states(admin))
    return servers


def _states(admin: Persona) -> set[str]:
    found = admin.get("/container/v1/services")["services"]
    return {each["state"] for each in found} if len(found) == 2 else set()


def now(database: Database) -> datetime:
    """The cloud's time."""
    with database.read() as tx:
        return datetime.fromtimestamp(float(tx.value(sa.text("SELECT extract(epoch FROM clock_timestamp())"))), UTC)


def moment(text: str) -> datetime:
    """A moment that the API tells."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def network(persona: Persona) -> dict[str, Any]:
    """A new network, for which no host has been chosen yet."""
    made: dict[str, Any] = persona.post(NETWORKS, {"network": {}})["network"]
    persona.post(SUBNETS, {"subnet": {"network_id": made["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}})
    return made


# ------------------------------------------------------------------------------------------------------------ tokens


def test_a_token_made_on_one_is_good_on_the_other_for_an_hour_of_the_clouds(
    both: tuple[Process, Process], database: Database
) -> None:
    for maker, other in (both, both[::-1]):
        began = now(database)
        demo = maker.demo
        seen = Persona(other.url, demo.token, None)("GET", TOKENS, ok=200, X_Subject_Token=demo.token).json()["token"]
        assert began - NEAR < moment(seen["issued_at"]) < now(database) + NEAR
        assert moment(seen["expires_at"]) - moment(seen["issued_at"]) <= timedelta(hours=1)
        assert moment(seen["expires_at"]) - began > timedelta(minutes=59)


def test_a_token_ends_on_both_at_the_moment_that_was_said(both: tuple[Process, Process], database: Database) -> None:
    ends = (now(database) + timedelta(seconds=2)).replace(microsecond=0)
    tokens = [_ending(each, ends) for each in both]
    while (before := now(database)) < ends + NEAR:
        good = [_is_good(each, token) for each in both for token in tokens]
        if now(database) < ends - NEAR:
            assert good == [True] * 4
    assert before >= ends
    assert [_is_good(each, token) for each in both for token in tokens] == [False] * 4


def _ending(server: Process, moment: datetime) -> str:
    """A token of an application credential that ends then."""
    demo = server.demo
    user = demo("GET", TOKENS, ok=200, X_Subject_Token=demo.token).json()["token"]["user"]["id"]
    wanted = {"name": server.name, "expires_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    made = demo.post(CREDENTIALS.format(user=user), {"application_credential": wanted})["application_credential"]
    credential = {"id": made["id"], "secret": made["secret"]}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
    return httpx.post(f"{server.url}{TOKENS}", json=body, trust_env=False).headers["X-Subject-Token"]


def _is_good(server: Process, token: str) -> bool:
    return Persona(server.url, token, None)("GET", NETWORKS).status_code == 200


# ---------------------------------------------------------------------------------------------------------- moments


def test_what_is_made_later_bears_the_later_moment_whichever_server_made_it(
    both: tuple[Process, Process], database: Database
) -> None:
    began, callers = now(database), [each.demo for each in both]
    made = [network(callers[number % 2]) for number in range(6)]
    told = [moment(each["created_at"]) for each in made]
    # Of the database's time each server has its own notion, which is not exact.
    assert all(later - earlier > -NEAR for earlier, later in pairwise(told))
    assert began - NEAR - timedelta(seconds=1) < min(told), "the API tells whole seconds"
    assert max(told) < now(database) + NEAR


def test_a_watch_from_a_moment_begins_there_on_both(both: tuple[Process, Process], database: Database) -> None:
    callers = [each.demo for each in both]
    network(callers[0])
    since = now(database).isoformat()
    wanted = [network(each)["id"] for each in callers]
    for each in callers:
        assert _first_events(each, since, len(wanted)) == wanted


def _first_events(persona: Persona, since: str, count: int) -> list[str]:
    found: list[str] = []
    with persona.http.stream("GET", NETWORKS, params={"watch": "1", "since": since}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: ") and "network" in (told := msgspec.json.decode(line[6:])):
                found.append(told["network"]["id"])
            if len(found) == count:
                break
    return found


# -------------------------------------------------------------------------------------------------------- operations


def test_neither_takes_what_the_other_is_at(both: tuple[Process, Process], database: Database) -> None:
    """By the clock that is ahead every lease of the other is over when it is taken."""
    began, callers = now(database), [each.demo for each in both]
    wired = network(callers[0])["id"]
    uuids = [_container(callers[number % 2], wired) for number in range(8)]
    at_work: set[str] = set()
    eventually(lambda: at_work.update(_at_work(database)) or len(at_work) == 2)
    _runs(callers[0], *uuids)
    done = [_created(database, each) for each in uuids]
    assert {each.epoch for each in done} == {1}
    for each in done:
        assert began - NEAR < each.begun_at < now(database) + NEAR
        assert each.begun_at - NEAR < each.started_at < each.ended_at + NEAR


@pytest.mark.parametrize("victim", [0, 1], ids=["the one ahead", "the late one"])
def test_when_one_is_killed_the_other_finishes_its_work_once(
    both: tuple[Process, Process], database: Database, victim: int
) -> None:
    dying, other = both[victim], both[1 - victim]
    admin, demo = other.admin, other.demo
    # Its own host goes with it: what it does for the other's host must be finished.
    where = f"host={dying.name}&binary=zun-compute"
    admin("PUT", f"/container/v1/services/disable?{where}", ok=200)
    (dying.folder / "crash").write_text("create:create in the engine:after_effect")
    wired, uuids = network(demo)["id"], list[str]()
    eventually(lambda: uuids.append(_container(demo, wired)) or dying.is_dead())
    _runs(demo, *uuids)
    with database.read() as tx:
        taken_over = [each for each in (_created(database, uuid) for uuid in uuids) if each.epoch > 1]
        tries = [row.tries for each in taken_over for row in tx.find(STEPS, operation=each.id, phase="do")]
    assert {each.epoch for each in taken_over} == {2}
    assert set(tries) == {1}
    dying.end()
    dying.start()
    admin("PUT", f"/container/v1/services/enable?{where}", ok=200)


def _at_work(database: Database) -> set[str]:
    with database.read() as tx:
        return {each.server for each in tx.find(OPERATIONS, state=RUNNING)}


def _container(persona: Persona, wired: str) -> str:
    wanted = {"image": IMAGE, "nets": [{"network": wired}]}
    return str(persona.post(f"{CONTAINERS}?run=true", wanted, ok=202)["uuid"])


def _runs(persona: Persona, *uuids: str) -> None:
    def statuses() -> set[str]:
        return {each["status"] for each in persona.get(CONTAINERS)["containers"] if each["uuid"] in uuids}

    eventually(lambda: statuses() == {"Running"})


def _created(database: Database, uuid: str) -> Record:
    with database.read() as tx:
        [found] = tx.find(OPERATIONS, object_id=uuid, action="create")
    return found
