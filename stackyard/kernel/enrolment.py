"""What the cloud writes down of its nodes' certificates: authority, tokens, certificates, servers.

Rows and queries only, shared by all servers of the cloud. Who is let in is decided by the node link's authority.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Instant, Record, Transaction, table

#: One row: the certificate and the private key, in PEM.
AUTHORITY = table(
    "node_authority",
    Column("name", sa.String(16), primary_key=True),
    Column("certificate", sa.Text, nullable=False),
    Column("key", sa.Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
#: Join tokens by their digest. `used_key`: a digest of the key that the joiner had certified.
TOKENS = table(
    "node_tokens",
    Column("digest", sa.String(64), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_by", sa.String(255)),
    Column("used_key", sa.String(64)),
)
CERTIFICATES = table(
    "node_certificates",
    Column("serial", sa.String(64), primary_key=True),
    Column("node", sa.String(255), index=True, nullable=False),
    Column("key", sa.String(64), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
SERVERS = table(
    "node_servers",
    Column("address", sa.String(255), primary_key=True),
    Column("seen_at", Instant, nullable=False),
)
TABLES = (AUTHORITY, TOKENS, CERTIFICATES, SERVERS)

_ONLY = "nodes"


def authority(tx: Transaction) -> Record | None:
    """The authority's `certificate` and `key`, once there is one."""
    return tx.get(AUTHORITY, name=_ONLY)


def set_authority(tx: Transaction, certificate: str, key: str, now: datetime) -> None:
    """The cloud has an authority from now on."""
    tx.insert(AUTHORITY, {"name": _ONLY, "certificate": certificate, "key": key, "created_at": now})


def add_token(tx: Transaction, digest: str, now: datetime, expires_at: datetime) -> None:
    """A token that lets one node in. Those long expired are forgotten."""
    tx.execute(sa.delete(TOKENS).where(TOKENS.c.expires_at < now - (expires_at - now)))
    tx.insert(TOKENS, {"digest": digest, "created_at": now, "expires_at": expires_at})


def token(tx: Transaction, digest: str) -> Record | None:
    """The token of that digest."""
    return tx.get(TOKENS, digest=digest)


def use_token(tx: Transaction, digest: str, node: str, key: str, now: datetime) -> None:
    """The token has let this node in, with this key."""
    tx.update(TOKENS, {"used_at": now, "used_by": node, "used_key": key}, digest=digest)


def add_certificate(tx: Transaction, values: Mapping[str, Any]) -> None:
    """A certificate that was issued: serial, node, key, issued_at, expires_at."""
    tx.insert(CERTIFICATES, values)


def certificates(tx: Transaction) -> list[Record]:
    """Every certificate written down, by node, the newest of each last."""
    return tx.all(sa.select(CERTIFICATES).order_by(CERTIFICATES.c.node, CERTIFICATES.c.issued_at))


def good(tx: Transaction, serials: Collection[str], now: datetime) -> set[str]:
    """Which of these certificates are known, neither revoked nor at their end."""
    asked = sa.select(CERTIFICATES.c.serial).where(CERTIFICATES.c.serial.in_(serials))
    return {each.serial for each in tx.all(_good(asked, now))}


def good_of(tx: Transaction, node: str, now: datetime) -> list[Record]:
    """A node's certificates that are neither revoked nor at their end."""
    return tx.all(_good(sa.select(CERTIFICATES).where(CERTIFICATES.c.node == node), now))


def _good(asked: "sa.Select[Any]", now: datetime) -> "sa.Select[Any]":
    return asked.where(CERTIFICATES.c.revoked_at.is_(None), CERTIFICATES.c.expires_at > now)


def revoke(tx: Transaction, node: str, now: datetime) -> int:
    """Revoke a node's certificates; returns how many of them were good."""
    mine = sa.update(CERTIFICATES).where(CERTIFICATES.c.node == node, CERTIFICATES.c.revoked_at.is_(None))
    return tx.execute(mine.where(CERTIFICATES.c.expires_at > now).values(revoked_at=now)).rowcount


def forget_expired(tx: Transaction, node: str, now: datetime) -> None:
    """A node's certificates that have ended need not be remembered."""
    tx.execute(sa.delete(CERTIFICATES).where(CERTIFICATES.c.node == node, CERTIFICATES.c.expires_at < now))


def server_listens(tx: Transaction, address: str, now: datetime) -> None:
    """A server takes nodes' connections at this address, as of now."""
    if not tx.update(SERVERS, {"seen_at": now}, address=address):
        tx.insert(SERVERS, {"address": address, "seen_at": now})


def server_left(tx: Transaction, address: str) -> None:
    """A server listens there no longer."""
    tx.delete(SERVERS, address=address)


def servers(tx: Transaction, since: datetime) -> list[str]:
    """Where servers listened at that time or later."""
    asked = sa.select(SERVERS.c.address).where(SERVERS.c.seen_at >= since).order_by(SERVERS.c.address)
    return [each.address for each in tx.all(asked)]
