"""The operator's rules for passwords and accounts, as Keystone's [security_compliance] has them."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import msgspec
import pytest
import yaml

from stackyard.cli.choices import compliance
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import SecurityCompliance, Settings
from stackyard.rooms.identity import passwords
from stackyard.rooms.identity.resources.password import reporting
from stackyard.rooms.identity.resources.user.resource import USER
from stackyard.testing.cloud import cloud as running_cloud
from tests.databases import copied_state
from tests.kernel.test_audit import event_of
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.conftest import MovableClock

Start = Callable[..., tuple[Cloud, Admin]]


@pytest.fixture
def start(seeded: Path, tmp_path: Path, clock: MovableClock) -> Iterator[Start]:
    """A cloud with these rules, and its administrator."""
    running: list[Cloud] = []

    def begin(**rules: Any) -> tuple[Cloud, Admin]:
        made = Cloud(folder, clock, security_compliance=SecurityCompliance(**rules))
        running.append(made)
        return made, Admin(made, made.token("admin"))

    folder = tmp_path / "state"
    with copied_state(seeded, folder):
        yield begin
        for each in running:
            each.close()


def ada(do: Admin, **more: Any) -> str:
    return str(do.make("user", name="ada", **{"password": "first", **more})["id"])


def change(cloud: Cloud, user: str, old: str, new: str) -> Any:
    body = {"user": {"original_password": old, "password": new}}
    return cloud.ask("POST", f"/v3/users/{user}/password", body)


def message(result: Any) -> str:
    return str(result.json["error"]["message"])


def test_a_password_may_not_be_one_of_the_last_and_the_refusal_says_of_how_many(start: Start) -> None:
    cloud, do = start(unique_last_password_count=2)
    user = ada(do)
    for old, new in (("first", "second"), ("second", "third")):
        assert change(cloud, user, old, new).status_code == 204
    refused = change(cloud, user, "third", "second")
    assert (refused.status_code, "differ from the last 2" in message(refused)) == (400, True)
    assert change(cloud, user, "third", "first").status_code == 204, "two others came between"
    do.change("user", user, password="second")
    assert change(cloud, user, "second", "first").status_code == 400, "what an administrator sets counts, too"


def test_passwords_expire_and_who_knows_an_expired_one_is_told_and_can_change_it(
    start: Start, clock: MovableClock
) -> None:
    cloud, do = start(password_expires_days=30, minimum_password_age=2)
    user = ada(do)
    told = cloud.log_in("ada", password="first").json["token"]["user"]["password_expires_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", told)
    assert do.do("GET", f"/v3/users/{user}").json["user"]["password_expires_at"] == told
    clock.ahead += timedelta(days=30, minutes=1)
    refused = cloud.log_in("ada", password="first")
    assert refused.status_code == 401
    assert f"expired and needs to be changed for user: {user}" in message(refused)
    assert "expired" not in message(cloud.log_in("ada", password="guess"))
    assert change(cloud, user, "first", "second").status_code == 204
    assert cloud.log_in("ada", password="second").status_code == 201


def test_some_users_passwords_never_expire(start: Start, clock: MovableClock) -> None:
    cloud, do = start(password_expires_days=30)
    assert (
        do.make("user", name="bot", password="bot", options={"ignore_password_expiry": True})["password_expires_at"]
        is None
    )
    late = ada(do)
    do.change("user", late, options={"ignore_password_expiry": True})
    clock.ahead += timedelta(days=31)
    assert cloud.log_in("bot", password="bot").status_code == 201
    assert cloud.log_in("ada", password="first").status_code == 201


def test_users_are_listed_by_when_their_passwords_expire(start: Start, clock: MovableClock) -> None:
    cloud, do = start(password_expires_days=30)
    at = do.make("user", name="ada", password="first")["password_expires_at"]
    assert at.endswith(".000000")

    def listed(asked: str) -> list[str]:
        found = do.do("GET", f"/v3/users?password_expires_at={asked}").json["users"]
        return [each["name"] for each in found if each["name"] == "ada"]

    assert listed(f"eq:{at}Z") == listed(f"lte:{at}Z") == listed("lt:2999-01-01T00:00:00Z") == ["ada"]
    assert listed(f"lt:{at}Z") == listed(f"neq:{at}Z") == listed("gt:2999-01-01T00:00:00Z") == []
    for wrong in ("soon", "before:2999-01-01T00:00:00Z", "lt:soon"):
        assert cloud.ask("GET", f"/v3/users?password_expires_at={wrong}", token=do.token).status_code == 400


def test_a_password_that_an_administrator_set_has_to_be_changed_first(start: Start) -> None:
    cloud, do = start(change_password_upon_first_use=True, minimum_password_age=1)
    user = ada(do)
    assert "needs to be changed" in message(cloud.log_in("ada", password="first"))
    assert change(cloud, user, "first", "mine").status_code == 204
    assert cloud.log_in("ada", password="mine").status_code == 201
    do.change("user", user, password="reset")
    assert cloud.log_in("ada", password="reset").status_code == 401
    do.make("user", name="bot", password="bot", options={"ignore_change_password_upon_first_use": True})
    assert cloud.log_in("bot", password="bot").status_code == 201


def test_a_password_is_kept_for_a_while_by_who_chose_it_but_not_by_or_from_an_administrator(
    start: Start, clock: MovableClock
) -> None:
    cloud, do = start(minimum_password_age=2)
    user = ada(do)
    for given, chosen in (("first", "second"), ("reset", "third")):
        assert change(cloud, user, given, chosen).status_code == 204
        refused = change(cloud, user, chosen, "fourth")
        assert (refused.status_code, "minimum age 2 days" in message(refused)) == (400, True)
        assert "in 1 days and 23 hours" in message(refused)
        do.change("user", user, password="reset")
    assert change(cloud, user, "reset", "third").status_code == 204
    clock.ahead += timedelta(days=2)
    assert change(cloud, user, "third", "fourth").status_code == 204


def test_a_weak_password_is_refused_wherever_it_comes_from_with_the_operators_words(start: Start) -> None:
    cloud, do = start(password_regex=r"^(?=.*\d).{7,}$", password_regex_description="seven characters, one a digit")
    weak = cloud.ask("POST", "/v3/users", {"user": {"name": "eve", "password": "short"}}, do.token)
    user = ada(do, password="longer 1")
    for refused in (
        weak,
        cloud.ask("PATCH", f"/v3/users/{user}", {"user": {"password": "longer"}}, do.token),
        change(cloud, user, "longer 1", "digitless"),
    ):
        assert (refused.status_code, "seven characters, one a digit" in message(refused)) == (400, True)
    assert change(cloud, user, "longer 1", "longer 2").status_code == 204


def test_too_many_failures_lock_an_account_for_a_time_on_every_server(start: Start, clock: MovableClock) -> None:
    cloud, do = start(lockout_failure_attempts=3, lockout_duration=600)
    other, _ = start(lockout_failure_attempts=3, lockout_duration=600)
    ada(do)
    for server in (cloud, other, cloud):
        assert server.log_in("ada", password="guess").status_code == 401
    for server in (cloud, other):
        locked = server.log_in("ada", password="first")
        assert (locked.status_code, message(locked)) == (401, message(cloud.log_in("nobody", password="guess")))
    clock.ahead += timedelta(seconds=601)
    assert other.log_in("ada", password="first").status_code == 201
    assert cloud.log_in("ada", password="guess").status_code == 401
    assert cloud.log_in("ada", password="first").status_code == 201, "success forgets the failures"


def test_an_administrator_unlocks_and_some_users_are_never_locked(start: Start) -> None:
    cloud, do = start(lockout_failure_attempts=2)
    user = ada(do)
    do.make("user", name="bot", password="bot", options={"ignore_lockout_failure_attempts": True})
    for name in ("ada", "bot"):
        for _ in range(3):
            assert cloud.log_in(name, password="guess").status_code == 401
    assert cloud.log_in("bot", password="bot").status_code == 201
    assert cloud.log_in("ada", password="first").status_code == 401
    do.change("user", user, enabled=True)
    assert cloud.log_in("ada", password="first").status_code == 201


def test_an_account_that_nobody_uses_counts_as_disabled_until_it_is_enabled_again(
    start: Start, clock: MovableClock
) -> None:
    cloud, do = start(disable_user_account_days_inactive=90)
    user = ada(do)
    do.make("user", name="bot", password="bot", options={"ignore_user_inactivity": True})
    do.change("user", do.named("user", "admin")["id"], options={"ignore_user_inactivity": True})
    clock.ahead += timedelta(days=89)
    assert cloud.log_in("ada", password="first").status_code == 201
    program = _program(cloud, Admin(cloud, cloud.token("admin")))
    assert cloud.authenticate(program).status_code == 201
    clock.ahead += timedelta(days=91)
    do = Admin(cloud, cloud.token("admin"))
    assert cloud.log_in("ada", password="first").status_code == 401
    assert cloud.authenticate(program).status_code == 401, "nor is there another way in"
    assert do.do("GET", f"/v3/users/{user}").json["user"]["enabled"] is False
    assert cloud.log_in("bot", password="bot").status_code == 201
    do.change("user", user, enabled=True)
    assert cloud.log_in("ada", password="first").status_code == 201


def _program(cloud: Cloud, do: Admin) -> dict[str, Any]:
    """What an application credential of ada's logs in with."""
    user, project = do.named("user", "ada")["id"], do.named("project", "demo")["id"]
    do.grant(f"projects/{project}", f"users/{user}", "member")
    token = cloud.token("ada", {"project": {"id": project}}, "first")
    body = {"application_credential": {"name": "program"}}
    made = cloud.ask("POST", f"/v3/users/{user}/application_credentials", body, token).json["application_credential"]
    return {"application_credential": {"id": made["id"], "secret": made["secret"]}}


def test_every_refusal_costs_one_hash_and_says_the_same(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, do = start(lockout_failure_attempts=2)
    ada(do)
    do.make("user", name="off", password="off", enabled=False)
    do.make("user", name="keyless")
    do.make("user", name="locked", password="locked")
    for _ in range(2):
        cloud.log_in("locked", password="guess")
    hashes: list[str] = []
    writes: list[str] = []
    check, write = bcrypt.checkpw, cloud.database.write
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *given: hashes.append("check") or check(*given))
    monkeypatch.setattr(cloud.database, "write", lambda: writes.append("write") or write())
    cases = [
        ("ada", "guess", "default"), ("nobody", "guess", "default"), ("ada", "guess", "nowhere"),
        ("off", "off", "default"), ("off", "guess", "default"), ("keyless", "guess", "default"),
        ("locked", "locked", "default"), ("locked", "guess", "default"),
    ]  # fmt: skip
    cloud.log_in("nobody", password="the first time, the hash to compare with is made")
    told = set()
    for name, password, domain in cases:
        hashes.clear()
        writes.clear()
        answer = cloud.log_in(name, password=password, domain=domain)
        told.add((answer.status_code, answer.text, len(hashes), len(writes)))
    assert [(status, hashed, written) for status, _, hashed, written in told] == [(401, 1, 1)]


def test_a_hash_of_another_cost_or_kind_is_good_and_made_anew_at_the_login(start: Start, clock: MovableClock) -> None:
    cloud, do = start()
    user = ada(do)
    for stored in (
        passwords.hash_password("secret", 5), bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode(),
    ):  # fmt: skip
        with cloud.database.write() as tx:
            tx.update(USER.table, {"password_hash": stored}, id=user)
        token = cloud.token("ada", password="secret")
        with cloud.database.read() as tx:
            renewed = tx.find(USER.table, id=user)[0].password_hash
        assert renewed != stored
        assert not passwords.needs_renewal(renewed, 4)
        assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200, "no token ends by that"
        assert cloud.log_in("ada", password="secret").status_code == 201
    assert not passwords.verify_password("secret", "$2b$12$nonsense", 4)


def test_the_event_of_a_wrong_password_has_a_keyed_digest_of_it_and_no_other_has(tmp_path: Path) -> None:
    rules = SecurityCompliance(report_invalid_password_hash=["event"], invalid_password_hash_secret_key="pepper")
    with running_cloud(tmp_path, security_compliance=rules) as running:
        url = f"{running.url}/identity/v3/auth/tokens"

        def attached(user: str, password: str) -> list[dict[str, str]]:
            """What is attached to the event of a log-in."""
            named = {"name": user, "domain": {"id": "default"}, "password": password}
            auth = {"identity": {"methods": ["password"], "password": {"user": named}}}
            answer = httpx.post(url, json={"auth": auth}, trust_env=False, timeout=30)
            assert "attachments" not in answer.text
            payload = event_of(running, answer)["payload"]
            assert payload["outcome"] == ("failure" if answer.status_code == 401 else "success")
            found: list[dict[str, str]] = payload.get("attachments", [])
            return found

        (first,), (again,), (other,) = (attached(*each) for each in (("demo", "guess"), ("no", "guess"), ("no", "x")))
        assert first == again != other
        assert first == {
            "typeURI": "mime:text/plain", "name": "partial_password_hash", "content": reporting.digest(rules, "guess"),
        }  # fmt: skip
        assert len(first["content"]) == 10
        salted = SecurityCompliance(report_invalid_password_hash=["event"], invalid_password_hash_secret_key="salt")
        assert reporting.digest(salted, "guess") != first["content"]
        clouds = yaml.safe_load((running.settings.state_dir / "clouds.yaml").read_text())["clouds"]
        assert attached("demo", clouds["stackyard"]["auth"]["password"]) == []
        for log in (running.settings.state_dir / "logs").iterdir():
            assert "guess" not in log.read_text()


def test_a_deleted_users_passwords_and_logins_are_forgotten(start: Start) -> None:
    from stackyard.rooms.identity.resources.password.store import HISTORY, LOGIN

    cloud, do = start(lockout_failure_attempts=5)
    user = ada(do)
    domain = do.make("domain", name="other")["id"]
    inner = do.make("user", name="ada", password="first", domain_id=domain)["id"]
    do.do("DELETE", f"/v3/users/{user}")
    do.change("domain", domain, enabled=False)
    do.do("DELETE", f"/v3/domains/{domain}")
    with cloud.database.read() as tx:
        assert not [row for each in (HISTORY, LOGIN) for row in tx.find(each) if row.user_id in (user, inner)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lockout": "3"}, "there is no such rule"),
        ({"lockout_failure_attempts": "0"}, ">= 1"),
        ({"lockout_failure_attempts": "many"}, "int"),
        ({"password_regex": "("}, "no regular expression"),
        ({"report_invalid_password_hash": "event"}, "needs invalid_password_hash_secret_key"),
        ({"password_expires_days": "3", "minimum_password_age": "3"}, "must be less"),
    ],
)
def test_the_operator_is_told_which_rule_is_wrong(given: dict[str, str], said: str) -> None:
    with pytest.raises(CommandFailed, match=re.escape(said)):
        compliance(None, given)


def test_the_operator_sets_and_ends_rules() -> None:
    known = Settings(state_dir=Path(), security_compliance=SecurityCompliance(lockout_failure_attempts=7))
    assert compliance(known, {"lockout_failure_attempts": ""}) == SecurityCompliance()
    rules = compliance(None, {"lockout_failure_attempts": "5", "change_password_upon_first_use": "true"})
    assert (rules.lockout_failure_attempts, rules.change_password_upon_first_use) == (5, True)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=SecurityCompliance) == rules
