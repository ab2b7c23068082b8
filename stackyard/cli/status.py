"""`stackyard status`: what runs, and how it is."""

import argparse
import json
from typing import Any

from stackyard.cli.operator import ask


def run(asked: argparse.Namespace) -> int:
    """Print the state of the running cloud."""
    status = ask(asked.state, "status")
    if asked.json:
        print(json.dumps(status, indent=2))
        return 0
    for line in lines(status):
        print(line)
    return 0


def lines(status: dict[str, Any]) -> list[str]:
    """The status as a person reads it."""
    said = [
        f"API          {status['base_url']}   region {status['region']}",
        f"cloud        {status['phase']}, up for {_span(status['seconds'])}",
        f"server       pid {status['pid']}, {status['memory_mib']} MiB, {status['version']}",
        f"state        {status['state_dir']}   cloud id {status['cloud_id']}",
        f"services     {', '.join(status['services'])}",
    ]
    said += [f"engine       {status['engine']}"] if status["engine"] else []
    said += [f"node         {each['name']}: {'connected' if each['connected'] else 'gone'}" for each in status["nodes"]]
    not_ready = [f"{part}: {said}" for part, said in status["health"].items() if said]
    line = f"no: {'; '.join(not_ready)}" if not_ready else "yes"
    said.append(f"ready        {line}")
    work = ", ".join(f"{count} {state}" for state, count in status["operations"].items()) or "nothing to do"
    said.append(f"operations   {work}")
    for each in status["reconcilers"]:
        said += [f"reconciler   {each['name']:<16} {line}" for line in _reconciler(each)]
    return said + [f"warning      {each}" for each in status["warnings"]]


def _reconciler(each: dict[str, Any]) -> list[str]:
    """How its last run went; what it could not mend, a line each."""
    if each["error"]:
        return [f"failed: {each['error']}"]
    report = each["report"]
    if report is None:
        return ["has not run yet"]
    runs = "ran once" if each["runs"] == 1 else f"ran {each['runs']} times"
    mended = f", mended {len(report['repaired'])}" if report["repaired"] else ""
    failed = [f"cannot mend: {text}" for text in report["failed"]]
    return [f"{runs}, last looked at {report['examined']}{mended}", *failed]


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
