"""`stackyard check`: every difference between the database and the host."""

import argparse
import json

from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Print the mismatches; 1 when there are any."""
    found = ask(asked.state, "check", timeout=300)
    if asked.json:
        print(json.dumps(found, indent=2))
    else:
        for each in found:
            print(f"{each['kind']} {each['object_id']}: {each['text']}")
        print(f"{len(found)} mismatches" if found else "database and host agree")
    return 1 if found else 0
