"""Commits of a database as tests see them: counted, or made to fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from stackyard.kernel.storage import writer
from stackyard.kernel.storage.database import Database


@contextmanager
def before_commits(database: Database, hook: Callable[[], None]) -> Iterator[None]:
    """Calls `hook` before each commit of what was written; when it raises, the commit fails so."""
    say = writer.say

    def said(connection: Any, text: str) -> None:
        if text == "COMMIT" and connection.engine is database.engine:
            hook()
        say(connection, text)

    with mock.patch.object(writer, "say", said):
        yield


@contextmanager
def counted_commits(database: Database) -> Iterator[list[int]]:
    """A list that grows by one with each commit."""
    seen: list[int] = []
    with before_commits(database, lambda: seen.append(1)):
        yield seen
