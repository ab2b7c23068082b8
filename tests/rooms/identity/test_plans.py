"""How the database finds what requests ask for: by indexes, so that a hundred thousand users cost what ten do.

SQLite is asked how it goes about each statement. PostgreSQL goes by what its tables hold, and these are small; there
the same requests are answered, and the indexes are seen to be there.
"""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from tests.rooms.identity.cloud import Admin

#: What grows: users, groups and projects, and who has which role where.
_MANY = "identity_user|identity_group|identity_project|identity_assignment|identity_membership"
_ALL_OF_IT = re.compile(rf"SCAN ({_MANY})\b(?!.* USING (COVERING )?INDEX)")
_SORTED_BY_HAND = re.compile(r"USE TEMP B-TREE FOR ORDER BY")


def _driver(admins: Admin) -> Any:
    """The connection that the next reader gets."""
    with admins.cloud.database.read() as tx:
        return tx.connection.connection.driver_connection


def plans(admins: Admin, ask: Any) -> dict[str, list[str]]:
    """The statements that a request runs on the tables that grow, each with how SQLite goes about it."""
    if not admins.cloud.database.is_sqlite:
        ask()
        return {}
    texts: list[str] = []
    driver = _driver(admins)
    driver.set_trace_callback(texts.append)
    try:
        ask()
    finally:
        driver.set_trace_callback(None)
    selects = {each for each in texts if each.lstrip().startswith(("SELECT", "WITH")) and re.search(_MANY, each)}
    assert selects
    return {each: [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {each}")] for each in selects}


def check(found: dict[str, list[str]]) -> None:
    for text, steps in found.items():
        for step in steps:
            assert not _ALL_OF_IT.match(step), f"{step}: {text}"
            # Who has one name or is in one group may be sorted; who is on a page must come in order.
            assert not ("LIMIT" in text and _SORTED_BY_HAND.match(step)), f"{step}: {text}"


@pytest.fixture(scope="module")
def known(admins: Admin) -> dict[str, str]:
    user = admins.make("user", name="grown", password="secret")["id"]
    project = admins.make("project", name="grown")["id"]
    group = admins.make("group", name="grown")["id"]
    admins.grant(f"projects/{project}", f"users/{user}", "member")
    return {"user": user, "project": project, "group": group}


@pytest.mark.parametrize(
    "path",
    [
        "/v3/users?limit=20", "/v3/users?limit=20&marker={user}", "/v3/users/{user}", "/v3/users?name=grown",
        "/v3/users?name=grown&domain_id=default", "/v3/groups?limit=20", "/v3/groups?name=grown",
        "/v3/projects?limit=20", "/v3/projects?limit=20&marker={project}", "/v3/projects/{project}",
        "/v3/projects?name=grown", "/v3/users/{user}/projects", "/v3/users/{user}/groups", "/v3/groups/{group}/users",
    ],
)  # fmt: skip
def test_a_request_reads_no_table_that_grows_from_end_to_end(admins: Admin, known: dict[str, str], path: str) -> None:
    def ask() -> None:
        # Twice: a list's statement is compiled at its second run, and must be the same.
        for _ in range(2):
            assert admins.cloud.ask("GET", path.format_map(known), token=admins.token).status_code == 200

    check(plans(admins, ask))


def test_logging_in_reads_no_table_that_grows_from_end_to_end(admins: Admin, known: dict[str, str]) -> None:
    who = {"user": {"name": "grown", "domain": {"id": "default"}, "password": "secret"}}
    scope = {"project": {"name": "grown", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}

    def ask() -> None:
        assert admins.cloud.ask("POST", "/v3/auth/tokens", body).status_code == 201

    check(plans(admins, ask))


@pytest.mark.parametrize("table", ["identity_user", "identity_group", "identity_project"])
def test_what_there_are_many_of_is_found_by_its_name(admins: Admin, table: str) -> None:
    with admins.cloud.database.read() as tx:
        columns = [each["column_names"] for each in sa.inspect(tx.connection).get_indexes(table)]
    assert ["name"] in columns
