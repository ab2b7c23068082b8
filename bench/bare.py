"""The measure of the requests benchmark: what Stackyard's subnet pools answer, written by hand without a kernel.

The same server (uvicorn, uvloop, httptools), the same framework (Falcon's ASGI side), the same database with the same
settings (SQLite in WAL with synchronous=FULL, or PostgreSQL as it comes), the same bytes in the answers; the database's
driver alone (sqlite3, psycopg) and no declaration. It checks a token against a table, as a service must, and knows one
rule of policy. A create is one transaction on disk. It validates next to nothing, has no pages, filters, policy files,
operations, logs, metrics or audit trail: a lower bound for what an answer costs.
"""

import hashlib
import sqlite3
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import falcon
import falcon.asgi
import msgspec
import psycopg

COLUMNS = (
    "id", "name", "description", "project_id", "prefixes", "default_prefixlen", "min_prefixlen", "max_prefixlen",
    "default_quota", "is_default", "shared", "ip_version", "tags", "revision_number", "created_at", "updated_at",
)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM pools"
_INSERT = f"INSERT INTO pools VALUES ({', '.join('?' * len(COLUMNS))})"


class Database:
    """One connection, each statement by itself unless BEGIN and COMMIT are around it; `?` stands for a value."""

    def __init__(self, path: Path, url: str = "") -> None:
        self._begin = "BEGIN" if url else "BEGIN IMMEDIATE"
        self._mark = "%s" if url else "?"
        self._connection: Any
        if url:
            self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
            return
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for line in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {line}")

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        """The driver's cursor."""
        return self._connection.execute(sql.replace("?", self._mark), values)

    def change(self, sql: str, values: tuple[Any, ...]) -> None:
        """One transaction, durable when this returns."""
        self._connection.execute(self._begin)
        self.execute(sql, values)
        self._connection.execute("COMMIT")


def open_database(path: Path, url: str = "") -> Database:
    """The database, with its tables: a file of SQLite's, or an empty one of PostgreSQL's."""
    database = Database(path, url)
    database.execute("CREATE TABLE tokens (hash TEXT PRIMARY KEY, project_id TEXT, role TEXT, expires FLOAT)")
    database.execute(
        "CREATE TABLE pools (id TEXT PRIMARY KEY, name TEXT, description TEXT, project_id TEXT, prefixes TEXT,"
        " default_prefixlen INTEGER, min_prefixlen INTEGER, max_prefixlen INTEGER, default_quota INTEGER,"
        " is_default INTEGER, shared INTEGER, ip_version INTEGER, tags TEXT, revision_number INTEGER,"
        " created_at BIGINT, updated_at BIGINT)"
    )
    database.execute("CREATE INDEX pools_project ON pools (project_id)")
    return database


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "id": row[0], "name": row[1], "description": row[2], "project_id": row[3], "tenant_id": row[3],
        "prefixes": msgspec.json.decode(row[4]), "default_prefixlen": row[5], "min_prefixlen": row[6],
        "max_prefixlen": row[7], "default_quota": row[8], "is_default": bool(row[9]), "shared": bool(row[10]),
        "ip_version": row[11], "address_scope_id": None, "tags": msgspec.json.decode(row[12]),
        "revision_number": row[13], "created_at": _moment(row[14]), "updated_at": _moment(row[15]),
    }  # fmt: skip


class _Resource:
    def __init__(self, database: Database) -> None:
        self.database = database

    def caller(self, req: falcon.asgi.Request) -> tuple[str, str]:
        """The project and role of a token. Raises HTTPUnauthorized."""
        sql = "SELECT project_id, role, expires FROM tokens WHERE hash = ?"
        found = self.database.execute(sql, (_hash(req.get_header("x-auth-token") or ""),)).fetchone()
        if found is None or found[2] < time.time():
            raise falcon.HTTPUnauthorized()
        return found[0], found[1]

    def answer(self, resp: falcon.asgi.Response, body: Any) -> None:
        """Send JSON, with an id of its own for the request."""
        resp.set_header("x-openstack-request-id", f"req-{uuid.uuid4()}")
        resp.data = msgspec.json.encode(body)


class Pools(_Resource):
    """The collection."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """List."""
        project, _ = self.caller(req)
        sql = f"{_SELECT} WHERE project_id = ? OR shared = 1 ORDER BY created_at, id LIMIT ?"
        rows = self.database.execute(sql, (project, int(req.get_param("limit") or 1000))).fetchall()
        self.answer(resp, {"subnetpools": [_shown(row) for row in rows]})

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Create."""
        project, role = self.caller(req)
        if role != "member":
            raise falcon.HTTPForbidden()
        given = msgspec.json.decode(await req.stream.read())["subnetpool"]
        now = time.time_ns() // 1000
        row = (
            str(uuid.uuid4()), given["name"], given.get("description", ""), project,
            msgspec.json.encode(given["prefixes"]).decode(), 8, 8, 32, None, 0, 0, 4, "[]", 0, now, now,
        )  # fmt: skip
        self.database.change(_INSERT, row)
        resp.status = falcon.HTTP_201
        self.answer(resp, {"subnetpool": _shown(row)})


class Pool(_Resource):
    """A member."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, pool_id: str) -> None:
        """Show."""
        project, _ = self.caller(req)
        row = self.database.execute(f"{_SELECT} WHERE id = ?", (pool_id,)).fetchone()
        if row is None or not (row[10] or row[3] == project):
            raise falcon.HTTPNotFound()
        self.answer(resp, {"subnetpool": _shown(row)})


def application(folder: Path, token: str, project: str, url: str = "") -> Any:
    """The application, which takes this token for that of a member of `project`. `url`: an empty database of
    PostgreSQL's."""
    database = open_database(folder / "bare.db", url)
    database.execute("INSERT INTO tokens VALUES (?, ?, 'member', ?)", (_hash(token), project, time.time() + 3600))
    app = falcon.asgi.App()
    app.add_route("/networking/v2.0/subnetpools", Pools(database))
    app.add_route("/networking/v2.0/subnetpools/{pool_id}", Pool(database))
    return app
