"""Guessing passwords takes too long: by user and by address, for users who exist and users who do not, on one server
and on several."""

import shutil
import time as real
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import httpx
import pytest

from stackyard.kernel.errors import TooManyRequests, Unauthorized, Unavailable
from stackyard.rooms.identity import failures
from stackyard.rooms.identity.failures import Failures
from stackyard.rooms.identity.throttle import PER_ADDRESS, PER_USER, REMEMBERED, Buckets, Throttle, _mark
from stackyard.testing.cloud import RunningCloud
from stackyard.testing.cloud import cloud as started
from stackyard.testing.postgres import postgres
from tests.rooms.identity.cloud import Admin, Cloud


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(throttle: Throttle, user: str, address: str = "10.0.0.1") -> None:
    with pytest.raises(Unauthorized), throttle.attempt(user, address):
        raise Unauthorized("no")


@pytest.mark.parametrize("name", ["demo", "nobody"])
def test_too_many_failures_are_answered_429_and_when_to_come_again(cloud: Cloud, name: str) -> None:
    for _ in range(PER_USER.most):
        assert cloud.log_in(name, password="guess").status_code == 401
    refused = cloud.log_in(name, password="guess")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= PER_USER.seconds
    assert "Try again in" in refused.json["error"]["message"]
    assert cloud.log_in("admin").status_code == 201, "nobody else is kept out"


def test_the_right_password_is_refused_like_a_wrong_one_until_then(cloud: Cloud) -> None:
    for _ in range(PER_USER.most):
        cloud.log_in("demo", password="guess")
    assert cloud.log_in("demo").status_code == 429


def test_changing_a_password_is_no_way_around_it(cloud: Cloud, do: Admin) -> None:
    path = f"/v3/users/{do.named('user', 'demo')['id']}/password"
    body = {"user": {"original_password": "guess", "password": "mine"}}
    answers = [cloud.ask("POST", path, body).status_code for _ in range(PER_USER.most + 1)]
    assert answers == [401] * PER_USER.most + [429]


def test_a_user_is_one_however_they_are_named(cloud: Cloud, do: Admin) -> None:
    user_id = do.named("user", "demo")["id"]
    names = [
        {"id": user_id},
        {"name": "demo", "domain": {"id": "default"}},
        {"name": "demo", "domain": {"name": "Default"}},
    ]
    answers = [
        cloud.authenticate({"password": {"user": {**names[turn % 3], "password": "guess"}}}).status_code
        for turn in range(PER_USER.most)
    ]
    answers += [cloud.authenticate({"totp": {"user": {**each, "passcode": "000000"}}}).status_code for each in names]
    assert answers == [401] * PER_USER.most + [429] * 3


def test_success_costs_nothing(cloud: Cloud) -> None:
    assert {cloud.log_in("demo").status_code for _ in range(PER_USER.most + 5)} == {201}


def test_time_empties_the_bucket_one_attempt_after_the_other() -> None:
    time = Time()
    throttle = Throttle(time)
    for _ in range(PER_USER.most):
        fail(throttle, "ada")
    with pytest.raises(TooManyRequests), throttle.attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")
    time.now += PER_USER.seconds
    fail(throttle, "ada")
    with pytest.raises(TooManyRequests), throttle.attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")


def test_an_address_that_tries_many_users_is_kept_out_and_others_are_not() -> None:
    throttle = Throttle(Time())
    for number in range(PER_ADDRESS.most):
        fail(throttle, f"user {number}")
    with pytest.raises(TooManyRequests), throttle.attempt("somebody", "10.0.0.1"):
        pytest.fail("it may not be tried")
    with throttle.attempt("somebody", "10.0.0.2"):
        pass


def test_whoever_has_a_network_of_ipv6_has_one_address_and_ipv4_within_ipv6_is_ipv4() -> None:
    throttle = Throttle(Time())
    for number in range(PER_ADDRESS.most):
        fail(throttle, f"user {number}", f"2001:db8:0:1:{number:x}::{number:x}")
    for number in range(3):
        fail(throttle, f"user {number}", f"::ffff:10.0.0.{number}")
    with pytest.raises(TooManyRequests), throttle.attempt("somebody", "2001:db8:0:1::ffff"):
        pytest.fail("it may not be tried")
    with throttle.attempt("somebody", "2001:db8:0:2::1"), throttle.attempt("somebody else", "::ffff:10.0.0.1"):
        assert len(throttle.addresses) == 1 + 3 + 1


def test_attempts_under_way_count_so_that_many_at_once_gain_nothing() -> None:
    throttle = Throttle(Time())
    under_way = [throttle.attempt("ada", f"10.0.0.{number}") for number in range(PER_USER.most)]
    for each in under_way:
        each.__enter__()
    with pytest.raises(TooManyRequests), throttle.attempt("ada", "10.0.1.1"):
        pytest.fail("it may not be tried")
    for each in under_way:
        each.__exit__(None, None, None)
    with throttle.attempt("ada", "10.0.1.1"):
        pass


def test_what_is_not_the_callers_fault_does_not_count() -> None:
    throttle = Throttle(Time())
    for _ in range(PER_USER.most + 1):
        with pytest.raises(Unavailable), throttle.attempt("ada", "10.0.0.1"):
            raise Unavailable("the directory does not answer")
    fail(throttle, "ada")


def test_memory_is_bounded() -> None:
    buckets = Buckets(PER_USER, Time())
    for number in range(REMEMBERED + 10):
        buckets.add(number)
    assert len(buckets) == REMEMBERED


def test_what_fails_on_one_server_counts_on_all_and_says_nobodys_name() -> None:
    said: list[str] = []
    time = Time()
    one, two = Throttle(time, said.append), Throttle(time)
    for turn in range(PER_USER.most):
        fail((one, two)[turn % 2], "ada")
        for word in said:
            two.hear(word)
        said.clear()
    fail(one, "bob", "10.0.0.9")
    (word,) = said
    assert "bob" not in word
    assert "10.0.0.9" not in word
    with pytest.raises(TooManyRequests), two.attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")
    with two.attempt("ada's friend", "10.0.0.2"):
        pass


def test_a_process_that_dies_takes_no_failure_along(tmp_path: Path) -> None:
    time = Time()
    one = Throttle(time, failures=Failures(tmp_path, time))
    for _ in range(PER_USER.most):
        fail(one, "ada")
        time.now += 0.1
    two = Throttle(time, failures=Failures(tmp_path, time))
    assert names(two) == names(one)
    with pytest.raises(TooManyRequests), two.attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")
    time.now += PER_USER.seconds
    three = Throttle(time, failures=Failures(tmp_path, time))
    fail(three, "ada")
    with pytest.raises(TooManyRequests), three.attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")
    time.now += PER_USER.seconds * PER_USER.most * 2
    assert Throttle(time, failures=Failures(tmp_path, time)).users.add("another") == 0
    content = (tmp_path / "failures").read_bytes()
    assert b"ada" not in content
    assert (tmp_path / "failures").stat().st_mode & 0o777 == 0o600


def names(throttle: Throttle) -> dict[object, tuple[float, float]]:
    return {**throttle.users._levels, **throttle.addresses._levels}


def test_what_was_heard_of_is_kept_too_and_what_succeeded_is_not(tmp_path: Path) -> None:
    time = Time()
    said: list[str] = []
    one, two = Throttle(time, said.append), Throttle(time, failures=Failures(tmp_path, time))
    fail(one, "ada")
    two.hear(said[0])
    with two.attempt("bob", "10.0.0.1"):
        pass
    again = Throttle(time, failures=Failures(tmp_path, time))
    assert (len(again.users), len(again.addresses)) == (1, 1)


def test_the_file_is_bounded_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "KEPT", 5)
    time = Time()
    marks = [(f"{number:032x}", f"{number + 100:032x}") for number in range(12)]
    for each in marks[:8]:
        time.now += 1
        kept = Failures(tmp_path, time)
        kept.recent(0)
        kept.add(each)
    for each in marks[8:]:
        time.now += 1
        kept.add(each)
    assert [each for _, each in kept.recent(100)] == marks[-5:]
    assert [ago for ago, _ in kept.recent(2)] == [2, 1, 0]
    assert (tmp_path / "failures").stat().st_size == 5 * 48


@pytest.mark.parametrize("content", [b"", b"x" * 47, b"x" * 97, bytes(96), b"\xff" * 96], ids=range(5))
def test_a_file_that_is_none_is_no_hindrance(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "failures").write_bytes(content)
    time = Time()
    fail(Throttle(time, failures=Failures(tmp_path, time)), "ada")
    assert _mark("ada") in Throttle(time, failures=Failures(tmp_path, time)).users._levels


def test_a_clock_that_is_put_back_forgives_nothing(tmp_path: Path) -> None:
    time = Time()
    for _ in range(PER_USER.most):
        fail(Throttle(time, failures=Failures(tmp_path, time)), "ada")
    time.now -= 500
    with pytest.raises(TooManyRequests), Throttle(time, failures=Failures(tmp_path, time)).attempt("ada", "10.0.0.2"):
        pytest.fail("it may not be tried")


def test_a_disk_that_takes_nothing_lets_nobody_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fail(Throttle(failures=Failures(tmp_path / "away")), "ada")
    assert "not written down" in caplog.text


def test_a_server_that_was_killed_gives_no_new_attempts(cloud: Cloud, tmp_path: Path) -> None:
    for _ in range(PER_USER.most):
        assert cloud.log_in("demo", password="guess").status_code == 401
    after = Cloud(cloud.settings.state_dir)
    assert after.log_in("demo", password="guess").status_code == 429
    assert after.log_in("admin").status_code == 201
    after.close()


def test_success_and_what_is_not_the_callers_fault_are_told_to_nobody() -> None:
    said: list[str] = []
    throttle = Throttle(Time(), said.append)
    with throttle.attempt("ada", "10.0.0.1"):
        pass
    with pytest.raises(Unavailable), throttle.attempt("ada", "10.0.0.1"):
        raise Unavailable("the directory does not answer")
    assert said == []


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[RunningCloud, RunningCloud]]:
    """Two servers of one cloud, on one PostgreSQL."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with postgres() as running, started(first, database=running.database("cloud"), threads=1) as one:
        for name in ("cloud.secret", "clouds.yaml"):
            shutil.copy(first / name, second / name)
        with started(second, database=one.settings.database, threads=1) as two:
            yield one, two


def guess(server: RunningCloud, user: str, password: str = "guess") -> int:
    named = {"name": user, "domain": {"id": "default"}, "password": password}
    auth = {"identity": {"methods": ["password"], "password": {"user": named}}}
    answer = httpx.post(f"{server.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False, timeout=30)
    return answer.status_code


def listening(servers: Sequence[RunningCloud]) -> list[str]:
    """What the servers hear of one another from now on."""
    heard: list[str] = []
    for each in servers:
        throttle = each.cloud.services.bound["identity_throttle"]

        def hear(word: str, throttle: Throttle = throttle) -> None:
            throttle.hear(word)
            heard.append(word)

        each.cloud.bulletin.on("failure", hear)
    return heard


def until_heard(heard: Sequence[str], times: int) -> None:
    end = real.monotonic() + 10
    while len(heard) < times:
        assert real.monotonic() < end, f"heard {len(heard)} times, not {times}"
        real.sleep(0.002)


@pytest.mark.thorough
def test_several_servers_of_a_cloud_have_one_allowance(servers: tuple[RunningCloud, RunningCloud]) -> None:
    heard = listening(servers)
    for user in ("demo", "nobody-at-all"):
        answers: list[int] = []
        heard.clear()
        for turn in range(2 * PER_USER.most):
            answers.append(guess(servers[turn % 2], user))
            until_heard(heard, answers.count(401))
        assert answers.count(401) == PER_USER.most, answers
        assert answers[PER_USER.most :] == [429] * PER_USER.most
    assert {guess(each, "admin") for each in servers} == {401}, "nobody else is kept out"


@pytest.mark.thorough
def test_guesses_on_all_servers_at_once_are_paid_for_later(servers: tuple[RunningCloud, RunningCloud]) -> None:
    heard = listening(servers)
    with ThreadPoolExecutor(8) as pool:
        turns = chain.from_iterable(zip(servers, servers, strict=True) for _ in range(2 * PER_USER.most))
        answers = list(pool.map(lambda server: guess(server, "demo"), chain.from_iterable(turns)))
    tried = answers.count(401)
    assert PER_USER.most <= tried <= 2 * PER_USER.most
    until_heard(heard, tried)
    for server in servers:
        throttle = server.cloud.services.bound["identity_throttle"]
        (level, _), *_ = throttle.users._levels.values()
        assert level > tried - 2


@pytest.mark.thorough
def test_the_others_hear_of_what_failed_alone(servers: tuple[RunningCloud, RunningCloud]) -> None:
    one, _ = servers
    heard = listening(servers)
    one.demo.get("/identity/v3/auth/projects")
    assert guess(one, "demo") == 401
    until_heard(heard, 1)
    assert len(heard) == 1
