"""What a database refuses to store: a duplicate is the caller's affair, everything else a defect of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from stackyard.kernel.errors import Conflict
from stackyard.kernel.storage.database import Database, table

PARENTS = table("parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(8), unique=True))
CHILDREN = sa.Table(
    "children",
    PARENTS.metadata,
    sa.Column("id", sa.String(8), primary_key=True),
    sa.Column("parent", sa.ForeignKey(PARENTS.c.id)),
    sa.Column("size", sa.Integer, sa.CheckConstraint("size > 0"), nullable=False),
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    if made.is_sqlite:
        sa.event.listen(made.engine, "connect", lambda driver, _: driver.execute("PRAGMA foreign_keys=ON"))
    PARENTS.metadata.create_all(made.engine)
    with made.write() as tx:
        tx.insert(PARENTS, {"id": 1, "name": "one"})
        tx.insert(PARENTS, {"id": 2, "name": "two"})
        tx.insert(CHILDREN, {"id": "a", "parent": 1, "size": 1})
    yield made
    made.close()


@pytest.mark.parametrize(
    ("into", "row"),
    [(PARENTS, {"id": 1, "name": "three"}), (PARENTS, {"id": 3, "name": "one"}), (CHILDREN, {"id": "a", "size": 1})],
    ids=["number", "unique column", "text key"],
)
def test_a_duplicate_is_a_conflict(database: Database, into: sa.Table, row: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="Duplicate entry"), database.write() as tx:
        tx.insert(into, row)


def test_a_change_that_makes_a_duplicate_is_a_conflict(database: Database) -> None:
    with pytest.raises(Conflict, match="exists already"), database.write() as tx:
        tx.update(PARENTS, {"name": "one"}, id=2)


@pytest.mark.parametrize(
    "row",
    [{"id": "b", "parent": 9, "size": 1}, {"id": "b", "parent": 1, "size": None}, {"id": "b", "parent": 1, "size": 0}],
    ids=["foreign key", "not null", "check"],
)
def test_what_else_a_constraint_refuses_is_no_conflict(database: Database, row: dict[str, Any]) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.write() as tx:
        tx.insert(CHILDREN, row)
    with pytest.raises(sa.exc.IntegrityError), database.write() as tx:
        tx.update(CHILDREN, row, id="a")
