"""`stackyard identity keys | rotate-keys`: the keys of tokens and stored credentials."""

import argparse
import json

from stackyard.cli.identity_options import USES
from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Do what was asked."""
    return {"keys": _keys, "rotate-keys": _rotate}[asked.verb](asked)


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
