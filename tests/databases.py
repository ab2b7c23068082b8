"""The suite on another database: with `pytest --database postgresql` every test that opens an SQLite file uses
PostgreSQL.

The tests say nothing about it: a `Database` that is asked for a file gets a schema of its own for that file on one
server, which is started for the run.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from stackyard.kernel.storage.database import Database
from stackyard.testing.postgres import Postgres, postgres

_PREFIX = "sqlite:///"
_current: list["StandIns"] = []


@contextmanager
def copied_state(source: Path, target: Path) -> Iterator[None]:
    """A copy of a cloud's state folder at rest, with its database. The source's is one of the fixture `own_database`,
    or such a copy itself."""
    shutil.copytree(source, target)
    with ExitStack() as until:
        for stand_ins in _current:
            until.enter_context(stand_ins.clone(state_url(source), state_url(target)))
        yield


def state_url(folder: Path) -> str:
    """The URL of the database in a state folder."""
    return f"{_PREFIX}{folder / 'stackyard.db'}"


class StandIns:
    """Schemas on one server that stand for files."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._url = server.database("tests")
        self._plain = f"host={server.folder} user=stackyard dbname=tests"
        self._known: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._number = count(1)
        self._lock = threading.Lock()

    def own(self, asked: str) -> str:
        """A whole database that stands for this URL from now on."""
        return self._make(asked)

    @contextmanager
    def clone(self, source: str, asked: str) -> Iterator[None]:
        """A copy of the database that stands for `source`, one of `own` or `clone`, as long as it is wanted."""
        self._make(asked, self._names[source])
        yield
        self._server.drop(self._names[asked])

    def _make(self, asked: str, template: str = "template0") -> str:
        self._names[asked] = f"own{next(self._number)}"
        self._known[asked] = self._server.database(self._names[asked], template)
        return self._known[asked]

    def url(self, asked: str) -> str:
        """The URL that stands for this one."""
        if not asked.startswith(_PREFIX):
            return asked
        with self._lock:
            if asked not in self._known:
                schema = f"t{next(self._number)}"
                with psycopg.connect(self._plain, autocommit=True) as connection:
                    connection.execute(f"CREATE SCHEMA {schema}")
                self._known[asked] = f"{self._url}&options=-csearch_path%3D{schema}"
            return self._known[asked]


@contextmanager
def chosen(config: pytest.Config) -> Iterator[Callable[[str], str]]:
    """Make every `Database` of this run one of the chosen kind. Gives a function that makes one which shares nothing
    with others, and tells its URL to those who must be told."""
    if config.getoption("--database") == "sqlite":
        yield lambda asked: asked
        return
    with postgres() as server:
        stand_ins, original = StandIns(server), Database.__init__

        def init(self: Any, url: str) -> None:
            original(self, stand_ins.url(url))

        _current.append(stand_ins)
        with mock.patch.object(Database, "__init__", init):
            yield stand_ins.own
