"""`stackyard identity map | providers`: federation tried without logging in. Neither needs a running server."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stackyard.cli.operator import CommandFailed
from stackyard.kernel.errors import ApiError
from stackyard.kernel.work import SystemClock
from stackyard.rooms.identity.resources.federation.assertion import from_claims
from stackyard.rooms.identity.resources.federation.connections import FILE, Connection, Connections, Proxied, parse
from stackyard.rooms.identity.resources.federation.oidc import RelyingParty
from stackyard.rooms.identity.resources.mapping import engine, language
from stackyard.rooms.identity.resources.saml.sections import SamlProvider


def map_(asked: argparse.Namespace) -> int:
    """Print what the rules make of the input; status 1 when they refuse it."""
    rules, version = _rules(asked.rules, asked.schema_version)
    assertion = _assertion(asked.input, asked.claims)
    try:
        found = engine.apply(language.read(rules, version), assertion)
    except ApiError as refusal:
        print(refusal.message)
        return 1
    print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    return 0


def _rules(path: Path, version: str | None) -> tuple[Any, str]:
    """The rules of a file as `openstack mapping create` takes it, or as the API shows a mapping."""
    given = _json(path)
    if isinstance(given, dict):
        given = given.get("mapping", given)
        return given.get("rules"), version or given.get("schema_version") or language.DEFAULT_VERSION
    return given, version or language.DEFAULT_VERSION


def _assertion(path: Path, claims_prefix: str | None) -> engine.Assertion:
    if claims_prefix is not None:
        return from_claims(_object(path, _json(path)), claims_prefix)
    text = _read(path)
    if text.lstrip().startswith("{"):
        given = _object(path, _json(path))
        return {name: value if isinstance(value, list) else str(value).split(";") for name, value in given.items()}
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return engine.split({name.strip(): value.strip() for name, _, value in lines})


def _object(path: Path, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise CommandFailed(f"{path} holds no JSON object")
    return given


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise CommandFailed(f"{path} is not JSON: {error}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}") from error


def providers(asked: argparse.Namespace) -> int:
    """Print of each provider in the operator's file whether it can be reached; status 1 when one cannot."""
    found = {name: _state_of(connection) for name, connection in _named(_connections(asked.state)).items()}
    for name, (_, said) in found.items():
        print(f"{name:<24} {said}")
    return 0 if all(good for good, _ in found.values()) else 1


def _connections(state: Path) -> Connections:
    path = state / FILE
    try:
        connections = parse(_read(path))
    except ValueError as error:
        raise CommandFailed(f"{path}: {error}") from error
    if path.stat().st_mode & 0o077:
        raise CommandFailed(f"{path} can be read by others, and the server refuses that: chmod 600 {path}")
    return connections


def _named(connections: Connections) -> dict[str, Connection]:
    return {
        f"{provider}/{protocol}": connection
        for provider, protocols in connections.providers.items()
        for protocol, connection in protocols.items()
    }


def _state_of(connection: Connection) -> tuple[bool, str]:
    if isinstance(connection, Proxied):
        return True, "by a trusted proxy (see --trusted-proxies)"
    try:
        if isinstance(connection, SamlProvider):
            whose = f"browsers at {connection.sso_endpoint}" if connection.sso_endpoint else "programs"
            weak = "; SHA-1 counts" if connection.accept_sha1 else ""
            return True, f"{connection.entity_id}: {len(connection.trusted())} certificates; SAML 2.0, {whose}{weak}"
        return True, RelyingParty(connection, SystemClock()).described()
    except ApiError as error:
        return False, error.message
