"""The suite on another database: with `pytest --database postgresql` every test that opens an SQLite file uses
PostgreSQL.

The tests say nothing about it: a `Database` that is asked for a file gets a schema of its own for that file on one
server, which is started for the run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from unittest import mock

import psycopg
import pytest

from stackyard.kernel.database import Database
from stackyard.testing.postgres import Postgres, postgres

_PREFIX = "sqlite:///"


class StandIns:
    """Schemas on one server that stand for files."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._url = server.database("tests")
        self._plain = f"host={server.folder} user=stackyard dbname=tests"
        self._known: dict[str, str] = {}
        self._number = count(1)
        self._lock = threading.Lock()

    def own(self, asked: str) -> str:
        """A whole database that stands for this URL from now on."""
        self._known[asked] = self._server.database(f"own{next(self._number)}")
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

        with mock.patch.object(Database, "__init__", init):
            yield stand_ins.own
