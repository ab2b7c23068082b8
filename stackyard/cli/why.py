"""`stackyard why <id>`: everything that happened to an object."""

import argparse
import json

from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Print an object's story."""
    story = ask(asked.state, "why", asked.id)
    print(json.dumps(story["data"], indent=2) if asked.json else story["text"])
    return 0
