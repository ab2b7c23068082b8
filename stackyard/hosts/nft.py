"""The `nft` program, in the network namespace of the calling thread. libnftables is GPL-2, so it stays a child."""

import json
import subprocess
from typing import Any


class NftError(Exception):
    """nft refused a script; the text is its own first complaint."""


def apply(script: str) -> None:
    """Carry out a script as one transaction: all of it or nothing. Raises NftError."""
    _nft(["-f", "-"], script)


def list_table(family: str, name: str) -> list[dict[str, Any]] | None:
    """The objects of one table as nft's JSON has them, or None if there is no such table."""
    try:
        listing = _nft(["-j", "-n", "list", "table", family, name], "")
    except NftError as failure:
        if "No such file or directory" in str(failure):
            return None
        raise
    return _objects(listing)


def list_tables() -> list[tuple[str, str]]:
    """Family and name of every table."""
    tables = (item["table"] for item in _objects(_nft(["-j", "list", "tables"], "")) if "table" in item)
    return [(table["family"], table["name"]) for table in tables]


def list_chains() -> list[dict[str, Any]]:
    """Every chain as nft's JSON has it, without rules."""
    return [item["chain"] for item in _objects(_nft(["-j", "list", "chains"], "")) if "chain" in item]


def _objects(listing: str) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = json.loads(listing)["nftables"] if listing.strip() else []
    return objects


def _nft(arguments: list[str], script: str) -> str:
    done = subprocess.run(["nft", *arguments], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NftError(" ".join(done.stderr.split("\n")[:2]).strip() or f"nft exited with {done.returncode}")
    return done.stdout
