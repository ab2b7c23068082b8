"""`stackyard reconcile --once <name>`: run one repair by hand."""

import argparse
import json

from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Print what the run found and did; 1 when something could not be mended."""
    report = ask(asked.state, "reconcile", asked.once, timeout=600)
    if asked.json:
        print(json.dumps(report, indent=2))
    else:
        for each in report["repaired"]:
            print(f"repaired: {each}")
        for each in report["failed"]:
            print(f"failed: {each}")
        repaired, failed = len(report["repaired"]), len(report["failed"])
        print(f"{asked.once}: looked at {report['examined']}, repaired {repaired}, failed {failed}")
    return 1 if report["failed"] else 0
