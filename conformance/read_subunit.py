"""Run by Tempest's interpreter: a subunit stream on standard input, a JSON list of outcomes on standard output."""

import json
import sys
from typing import Any

import subunit
import testtools


def outcome(test: dict[str, Any]) -> dict[str, str]:
    """Its id, its status (success, fail, skip) and, when it is not success, why."""
    details = {
        name: content.as_text() for name, content in test["details"].items() if name.startswith(("traceback", "reason"))
    }
    return {"id": test["id"], "status": test["status"], "reason": "\n".join(details.values()).strip()}


def main() -> None:
    """Read all, then write all."""
    found: list[dict[str, str]] = []
    case = subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout")
    result = testtools.StreamToDict(lambda test: found.append(outcome(test)))
    result.startTestRun()
    case.run(result)
    result.stopTestRun()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
