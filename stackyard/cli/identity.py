"""`stackyard identity keys | rotate-keys | map | providers`: keys, and federation tried out."""

import argparse
import json

from stackyard.cli.identity_options import USES
from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Do what was asked."""
    return {"keys": _keys, "rotate-keys": _rotate, "map": _map, "providers": _providers}[asked.verb](asked)


def _keys(asked: argparse.Namespace) -> int:
    keys = ask(asked.state, "identity-keys")
    if asked.json:
        print(json.dumps(keys, indent=2))
        return 0
    for each in keys:
        print(f"{each['use']:<11} {each['state']:<10} since {each['since']}  {each['id']}")
    return 0


def _rotate(asked: argparse.Namespace) -> int:
    verb = "identity-replace-keys" if asked.compromised else "identity-rotate-keys"
    for use in [asked.use] if asked.use else USES:
        ask(asked.state, verb, use)
        print(f"the {use} keys were {'replaced' if asked.compromised else 'rotated'}")
    return 0


def _map(asked: argparse.Namespace) -> int:
    # Imported here because only these verbs need the engine and what speaks with providers.
    from stackyard.cli import identity_federation

    return identity_federation.map_(asked)


def _providers(asked: argparse.Namespace) -> int:
    from stackyard.cli import identity_federation

    return identity_federation.providers(asked)
