"""Migrations: they make what the declarations say, once, and cost nothing when there is nothing to do."""

import importlib.util
import pkgutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import stackyard.rooms
from stackyard.kernel.declare.room import Room
from stackyard.kernel.storage import apart, branches, drafts, migrations
from stackyard.kernel.storage.branches import Branch
from stackyard.kernel.storage.database import Database


def rooms() -> list[Room]:
    found = (each.name for each in pkgutil.iter_modules(stackyard.rooms.__path__))
    return [drafts.room_named(name) for name in found if importlib.util.find_spec(f"stackyard.rooms.{name}.room")]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/cloud.db")
    yield made
    made.close()


def test_the_kernels_migrations_make_exactly_its_declared_tables() -> None:
    assert drafts.render(branches.kernel_branch(), drafts.KERNEL_TABLES) is None


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_a_rooms_migrations_make_exactly_its_declared_tables(room: Room) -> None:
    branch = branches.room_branch(room)
    tables = drafts.tables_of(room)
    if branch is None:
        assert not tables, f"{room.name} declares tables and has no migrations"
    else:
        assert drafts.render(branch, tables) is None


def test_a_declaration_without_its_migration_is_noticed() -> None:
    forgotten = sa.Table("forgotten", sa.MetaData(), sa.Column("id", sa.String(36), primary_key=True))
    body = drafts.render(branches.kernel_branch(), [*drafts.KERNEL_TABLES, forgotten])
    assert body is not None
    assert "create_table('forgotten'" in body


def test_the_second_upgrade_finds_nothing_to_do(database: Database) -> None:
    assert migrations.upgrade(database, rooms())
    assert not migrations.upgrade(database, rooms())


def test_nothing_to_do_costs_little_and_imports_no_alembic(database: Database) -> None:
    migrations.upgrade(database, [])
    code = (
        "import sys, time; from stackyard.kernel.storage import migrations\n"
        "from stackyard.kernel.storage.database import Database\n"
        f"began = time.process_time(); changed = migrations.upgrade(Database({database.url!r}), [])\n"
        "print(changed, 'alembic' in sys.modules, time.process_time() - began)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[:2] == ["False", "False"]
    assert float(told[2]) < 0.3


def test_a_process_of_its_own_brings_the_database_to_the_same_heads(database: Database, tmp_path: Path) -> None:
    assert apart.upgrade(database, rooms())
    assert not apart.upgrade(database, rooms())
    with database.read() as tx:
        assert branches.current(tx) == {branch.head() for branch in branches.branches(rooms())}
    here = Database(f"sqlite:///{tmp_path}/here.db")
    assert migrations.upgrade(here, rooms())
    assert _tables(here) == _tables(database)
    here.close()


def _tables(database: Database) -> dict[str, object]:
    found = sa.inspect(database.engine)
    return {
        name: (
            [(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(name)],
            sorted((each["name"] or "", each["column_names"], each["unique"]) for each in found.get_indexes(name)),
        )
        for name in found.get_table_names()
    }


def test_two_servers_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cloud.db"
    outcomes: list[bool] = []

    def start() -> None:
        database = Database(url)
        outcomes.append(migrations.upgrade(database, []))
        database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, True]


def test_a_file_that_another_server_is_just_beginning_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "cloud.db"
    # What SQLite refuses at once, whatever the patience of a connection: the change to a write-ahead log under way.
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    end.start()
    database = Database(f"sqlite:///{file}")
    assert migrations.upgrade(database, [])
    end.join()
    database.close()
    other.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(database: Database, tmp_path: Path) -> None:
    migrations.upgrade(database, [])
    (tmp_path / "0001_breaks.py").write_text(
        'revision = "odd_0001"\ndown_revision = None\nbranch_labels = ("odd",)\n\n\n'
        "def upgrade():\n    from alembic import op\n\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n    op.execute('nonsense')\n"
    )
    with pytest.raises(Exception, match="nonsense"):
        branches.upgrade_branches(database, [branches.kernel_branch(), Branch("odd", tmp_path)])
    with database.read() as tx:
        assert branches.current(tx) == {branches.kernel_branch().head()}
        assert not sa.inspect(tx.connection).has_table("half")


def test_a_database_of_a_newer_stackyard_is_refused(database: Database) -> None:
    migrations.upgrade(database, [])
    with database.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = 'kernel_9999'"))
    with pytest.raises(RuntimeError, match="newer"):
        migrations.upgrade(database, [])
    with pytest.raises(RuntimeError, match=r"^The database does not fit this Stackyard.*newer"):
        apart.upgrade(database, [])


def test_files_with_the_same_number_are_refused(tmp_path: Path) -> None:
    for title in ("one", "two"):
        (tmp_path / f"0001_{title}.py").write_text("")
    with pytest.raises(ValueError, match="same number"):
        Branch("odd", tmp_path).head()


@pytest.mark.parametrize("branch", branches.branches(rooms()), ids=lambda branch: branch.label)
def test_revisions_carry_the_numbers_of_their_files(branch: Branch) -> None:
    for file in branch.files():
        assert f'revision = "{branch.revision(file)}"' in file.read_text()
