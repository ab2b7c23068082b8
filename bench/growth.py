"""What growth costs: list page, show and authentication of a cloud with 100,000 users and 10,000 projects beside one
with 1,000 and 100, in one run.

    .venv/bin/python -m bench.growth                         both on SQLite
    .venv/bin/python -m bench.growth --users 1000 1000000    other sizes; projects are a tenth of the users

Both are Stackyard, whole, in a process each, and take turns. Most users are written into the database beside the API,
all with one password's hash, so that they are there in a minute. Ratios are of CPU time, the large cloud's by the small
one's; 1.5 at most is wanted.
"""

import argparse
import itertools
import json
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.keystone import PASSWORD, Identity, asking, stackyard
from bench.load import Sample, load, request
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage.database import Database, Record
from stackyard.rooms.identity.resources.assignment.store import ASSIGNMENT
from stackyard.rooms.identity.resources.project.resource import PROJECT
from stackyard.rooms.identity.resources.user.resource import USER

SIZES = (1000, 100_000)
BATCH = 5000
WANTED = 1.5


def grow(one: Identity, folder: Path, users: int) -> list[str]:
    """So many users, a tenth as many projects, and a role for each user; returns the users' ids. One of each is made
    through the API, the others are made like it."""
    one.token = one.log_in("admin", one.password, "admin")
    roles = {each["name"]: each["id"] for each in one.ask("GET", "/v3/roles")["roles"]}
    named = {"name": "project-0", "domain_id": "default"}
    project = one.ask("POST", "/v3/projects", {"project": named})["project"]["id"]
    wanted = {"name": "user-0", "domain_id": "default", "password": PASSWORD}
    user = one.ask("POST", "/v3/users", {"user": wanted})["user"]["id"]
    one.ask("PUT", f"/v3/projects/{project}/users/{user}/roles/{roles['member']}")
    database = Database(Settings(state_dir=folder).database_url)
    with database.read() as tx:
        likes = [tx.get(USER.table, id=user), tx.get(PROJECT.table, id=project), tx.get(ASSIGNMENT, actor_id=user)]
    like_user, like_project, like_grant = (each or Record() for each in likes)
    projects = [project, *(uuid.uuid4().hex for _ in range(users // 10 - 1))]
    people = [user, *(uuid.uuid4().hex for _ in range(users - 1))]
    made = [{**like_project, "id": id, "name": f"project-{number}"} for number, id in enumerate(projects)][1:]
    for some in _batches(made):
        with database.write() as tx:
            tx.insert_many(PROJECT.table, some)
    for some in _batches(list(enumerate(people))[1:]):
        grants = [(id, projects[number % len(projects)]) for number, id in some]
        with database.write() as tx:
            tx.insert_many(USER.table, [{**like_user, "id": id, "name": f"user-{number}"} for number, id in some])
            tx.insert_many(ASSIGNMENT, [{**like_grant, "actor_id": id, "target_id": where} for id, where in grants])
    database.close()
    return people


def _batches(everything: list[Any]) -> Iterator[list[Any]]:
    return (everything[at : at + BATCH] for at in range(0, len(everything), BATCH))


def kinds(one: Identity, people: list[str]) -> dict[str, tuple[Callable[[], bytes], int]]:
    """What is asked: name → (the next request, the status it is answered with)."""
    some = [(number, people[number]) for number in random.Random(1).sample(range(len(people)), 200)]
    chosen, markers, logging_in = itertools.cycle(some), itertools.cycle(some), itertools.cycle(some)
    users, projects = f"{one.base}/v3/users", len(people) // 10
    page = request("GET", f"{users}?limit=100", one.token)

    def authenticating() -> bytes:
        number, _ = next(logging_in)
        body = json.dumps(asking(f"user-{number}", PASSWORD, f"project-{number % projects}"))
        return request("POST", f"{one.base}/v3/auth/tokens", "", body.encode())

    return {
        "first page of 100": (lambda: page, 200),
        "a page within": (lambda: request("GET", f"{users}?limit=100&marker={next(markers)[1]}", one.token), 200),
        "show": (lambda: request("GET", f"{users}/{next(chosen)[1]}", one.token), 200),
        "by name": (lambda: request("GET", f"{users}?name=user-{next(chosen)[0]}", one.token), 200),
        "page of projects": (lambda: request("GET", f"{one.base}/v3/projects?limit=100", one.token), 200),
        "authentication": (authenticating, 201),
    }


def measure(pair: list[tuple[Identity, list[str]]], rounds: int, seconds: float) -> Iterator[str]:
    """Lines of the table."""
    asked = [kinds(one, people) for one, people in pair]
    yield f"{'CPU ms each':20}" + "".join(f"{len(people):>10} users" for _, people in pair) + f"{'ratio':>8}"
    for kind in asked[0]:
        found: list[list[Sample]] = [[] for _ in pair]
        for turn, (index, (one, _)) in itertools.product(range(rounds + 1), enumerate(pair)):
            following, status = asked[index][kind]
            sample = load(one.port, [one.pid], following, status=status, connections=2, seconds=seconds)
            if turn:
                found[index].append(sample)
        small, large = (1000 / statistics.median(one.per_cpu for one in samples) for samples in found)
        yield f"{kind:20}{small:16.3f}{large:16.3f}{large / small:8.2f}"


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs=2, default=SIZES, help="of the small cloud and of the large one")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each cloud, after one to warm up")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pair = []
        for users in asked.users:
            one = stack.enter_context(stackyard(folder / str(users), "identity"))
            began = time.monotonic()
            pair.append((one, grow(one, folder / str(users), users)))
            print(f"{users} users and {users // 10} projects in {time.monotonic() - began:.0f} s", flush=True)
        for line in measure(pair, asked.rounds, asked.seconds):
            print(line, flush=True)
    print(f"Target: {WANTED} or less.")


if __name__ == "__main__":
    main()
