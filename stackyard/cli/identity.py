"""`stackyard identity keys | rotate-keys | password-cost | map | providers | metadata`: keys, hashes, federation."""

import argparse
import json
import time

from stackyard.cli.identity_options import CERTIFIED, USES
from stackyard.cli.operator import CommandFailed, ask


def run(asked: argparse.Namespace) -> int:
    """Do what was asked."""
    verbs = {
        "keys": _keys, "rotate-keys": _rotate, "password-cost": _password_cost, "map": _map, "providers": _providers,
        "metadata": _metadata,
    }  # fmt: skip
    return verbs[asked.verb](asked)


def _keys(asked: argparse.Namespace) -> int:
    keys = ask(asked.state, "identity-keys")
    if asked.json:
        print(json.dumps(keys, indent=2))
        return 0
    for each in keys:
        print(f"{each['use']:<15} {each['state']:<10} since {each['since']}  {each['id']}")
    return 0


def _rotate(asked: argparse.Namespace) -> int:
    verb = "identity-replace-keys" if asked.compromised else "identity-rotate-keys"
    for use in [asked.use] if asked.use else (*USES, *CERTIFIED) if asked.compromised else USES:
        ask(asked.state, verb, use)
        print(f"the {use} keys were {'replaced' if asked.compromised else 'rotated'}")
    return 0


def _password_cost(asked: argparse.Namespace) -> int:
    """The least of three runs: others may use the machine. No server is asked."""
    # Imported here because the other verbs must not wait for it.
    from stackyard.kernel.settings import load
    from stackyard.rooms.identity.passwords import hash_password

    settings = load(asked.state.absolute())
    if settings is None:
        raise CommandFailed(f"there is no cloud in {asked.state}")
    took = []
    for _ in range(3):
        began = time.process_time()
        hash_password("a password", settings.password_cost)
        took.append(time.process_time() - began)
    told = {"scheme": "bcrypt over SHA-256", "cost": settings.password_cost, "milliseconds": round(min(took) * 1000, 1)}
    said = "{scheme}, cost {cost}: {milliseconds} ms of CPU for each login (OWASP asks for a cost of 10 or more)"
    print(json.dumps(told, indent=2) if asked.json else said.format(**told))
    return 0


def _metadata(asked: argparse.Namespace) -> int:
    print(ask(asked.state, "identity-metadata", asked.way)["metadata"])
    return 0


def _map(asked: argparse.Namespace) -> int:
    # Imported here because only these verbs need the engine and what speaks with providers.
    from stackyard.cli import identity_federation

    return identity_federation.map_(asked)


def _providers(asked: argparse.Namespace) -> int:
    from stackyard.cli import identity_federation

    return identity_federation.providers(asked)
