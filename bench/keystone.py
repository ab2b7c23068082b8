"""Stackyard's identity beside the real Keystone: validations, project lists, authentication, memory; in one run.

    .venv/bin/python -m bench.keystone                    makes an environment for Keystone first, which takes minutes
    .venv/bin/python -m bench.keystone --environment DIR  where that is made, and found again the next time

Keystone comes from PyPI and runs under uWSGI with two processes as its documentation has it: Fernet tokens, SQLite, its
cache on (in each process's memory), no debugging, no log of requests. Stackyard is one process on SQLite that serves
identity alone (`stackyard up --services identity`) and writes its log of requests. Both are given the same users,
projects and roles through their APIs and are asked the same in turns, by the same generator, on as many connections as
Keystone has processes: an open connection occupies one of them. CPU time is that of the servers' processes alone; the
ratios are Stackyard's figures by Keystone's.

A whole cloud is given and asked the same afterwards, for its memory alone: while both run they share what they map.

Passwords are hashed at bcrypt's least cost on both sides, so that what authentication costs beyond the hash is seen;
what a hash costs as clouds make it is printed beside it.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import yaml

from bench.load import Sample, family, load, megabytes, request
from bench.processes import free_port, serving

USERS, PROJECTS, SUBJECTS = 1000, 100, 50
CHEAP, USUAL = 4, 12
WORKERS = 2
#: Seconds of a first turn that is not counted: both remember tokens, Keystone in each process for itself.
WARMING = 10.0
PASSWORD = "a password that is long"
_DEFAULT = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "stackyard-bench" / "keystone"

_CONF = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = {cost}
"""


@dataclass
class Identity:
    """A server of the Identity API: where it is, its first process, and its administrator's password."""

    name: str
    port: int
    base: str
    pid: int
    password: str
    client: httpx.Client = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}{self.base}", trust_env=False, timeout=60)

    def log_in(self, user: str, password: str, project: str) -> str:
        """A token for a project."""
        answer = self.client.post("/v3/auth/tokens", json=asking(user, password, project))
        answer.raise_for_status()
        return answer.headers["x-subject-token"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The administrator asks."""
        answer = self.client.request(method, path, json=body, headers={"X-Auth-Token": self.token})
        answer.raise_for_status()
        return answer.json() if answer.content else None


def asking(user: str, password: str, project: str) -> dict[str, Any]:
    """The body of a request for a token."""
    domain = {"id": "default"}
    who = {"user": {"name": user, "domain": domain, "password": password}}
    identity = {"methods": ["password"], "password": who}
    return {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}


# -- Keystone --


def environment(folder: Path) -> Path:
    """The programs of a virtual environment with Keystone and uWSGI, made when it is not there."""
    programs = folder / "bin"
    if not (programs / "uwsgi").exists():
        print(f"Installing Keystone and uWSGI in {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([programs / "pip", "install", "-q", "keystone", "uwsgi"], check=True)
    return programs


@contextmanager
def keystone(programs: Path, folder: Path) -> Iterator[Identity]:
    """Keystone in a folder of its own; it ends with the block."""
    folder.mkdir()
    conf, port = folder / "keystone.conf", free_port()
    conf.write_text(_CONF.format(folder=folder, cost=CHEAP))
    user = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    url = ["--bootstrap-password", PASSWORD, "--bootstrap-public-url", f"http://127.0.0.1:{port}/v3"]
    for command in (
        ["db_sync"], ["fernet_setup", *user], ["credential_setup", *user],
        ["bootstrap", *url, "--bootstrap-region-id", "RegionOne"],
    ):  # fmt: skip
        manage = [str(programs / "keystone-manage"), "--config-file", str(conf), *command]
        subprocess.run(manage, check=True, capture_output=True)
    uwsgi = [
        str(programs / "uwsgi"), "--http11-socket", f"127.0.0.1:{port}", "--module", "keystone.wsgi.api:application",
        "--master", "--processes", str(WORKERS), "--threads", "1", "--die-on-term", "--need-app", "--disable-logging",
    ]  # fmt: skip
    with (folder / "uwsgi.log").open("w") as log:
        named = {**os.environ, "OS_KEYSTONE_CONFIG_FILES": str(conf)}
        process = subprocess.Popen(uwsgi, env=named, stdout=log, stderr=log)
    try:
        made = Identity("keystone", port, "", process.pid, PASSWORD)
        try:
            _wait(made)
        except RuntimeError as error:
            raise RuntimeError((folder / "uwsgi.log").read_text()[-2000:]) from error
        yield made
    finally:
        process.terminate()
        process.wait(30)


def _wait(one: Identity) -> None:
    for _ in range(600):
        try:
            one.client.get("/v3").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"{one.name} does not answer")


@contextmanager
def stackyard(folder: Path, services: str) -> Iterator[Identity]:
    """Stackyard with these services, on drivers that touch no host."""
    port = free_port()
    with serving("stackyard", folder, port, "--services", services) as process:
        clouds = yaml.safe_load((folder / "clouds.yaml").read_text())["clouds"]
        password = clouds["stackyard-admin"]["auth"]["password"]
        yield Identity("stackyard", port, "/identity", process.pid, password)


# -- the same data --


def seed(one: Identity, users: int, projects: int) -> None:
    """Users, projects, and for each user a role on one of these."""
    one.token = one.log_in("admin", one.password, "admin")
    roles = {each["name"]: each["id"] for each in one.ask("GET", "/v3/roles")["roles"]}
    made = [
        one.ask("POST", "/v3/projects", {"project": {"name": f"project-{number}", "domain_id": "default"}})["project"]
        for number in range(projects)
    ]
    for number in range(users):
        wanted = {"name": f"user-{number}", "domain_id": "default", "password": PASSWORD}
        user = one.ask("POST", "/v3/users", {"user": wanted})["user"]
        where = made[number % projects]["id"]
        one.ask("PUT", f"/v3/projects/{where}/users/{user['id']}/roles/{roles['member']}")


# -- the measures --


def kinds(one: Identity, projects: int) -> dict[str, tuple[Callable[[], bytes], int]]:
    """What is asked: name → (the next request, the status it is answered with)."""
    subjects = itertools.cycle(
        [one.log_in(f"user-{number}", PASSWORD, f"project-{number % projects}") for number in range(SUBJECTS)]
    )
    users = itertools.cycle(range(SUBJECTS))
    validating, listing = f"{one.base}/v3/auth/tokens", request("GET", f"{one.base}/v3/projects", one.token)

    def authenticating() -> bytes:
        number = next(users)
        body = json.dumps(asking(f"user-{number}", PASSWORD, f"project-{number % projects}"))
        return request("POST", validating, "", body.encode())

    return {
        "token validation": (lambda: request("GET", validating, one.token, subject=next(subjects)), 200),
        "project list": (lambda: listing, 200),
        "authentication": (authenticating, 201),
    }


def hash_seconds(cost: int, times: int) -> float:
    """CPU seconds for a look at a password's hash."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost))
    spent = []
    for _ in range(times):
        began = time.process_time()
        bcrypt.checkpw(PASSWORD.encode(), hashed)
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def measure(pair: tuple[Identity, Identity], rounds: int, seconds: float, projects: int) -> Iterator[str]:
    """Lines of the table."""
    asked = {each.name: kinds(each, projects) for each in pair}
    mine, theirs = pair
    yield f"{'':18}{'':11}{'requests/s':>12}{'p99 ms':>9}{'CPU ms each':>13}{'of CPU':>10}{'absolute':>10}"
    for kind in asked[mine.name]:
        found: dict[str, list[Sample]] = {each.name: [] for each in pair}
        for turn, each in itertools.product(range(rounds + 1), pair):
            following, status = asked[each.name][kind]
            lasting = seconds if turn else max(seconds, WARMING)
            sample = load(
                each.port, family(each.pid), following, status=status, connections=WORKERS, seconds=lasting
            )
            if turn:
                found[each.name].append(sample)
        rate, per_cpu, p99 = (
            {name: statistics.median(getattr(one, figure) for one in samples) for name, samples in found.items()}
            for figure in ("rate", "per_cpu", "p99")
        )
        for name in found:
            line = f"{kind:18}{name:11}{rate[name]:12.0f}{p99[name]:9.1f}{1000 / per_cpu[name]:13.2f}"
            ratios = (figure[mine.name] / figure[theirs.name] for figure in (per_cpu, rate))
            yield line + ("".join(f"{each:9.1f}×" for each in ratios) if name == mine.name else "")
        if kind == "authentication":
            cheap = hash_seconds(CHEAP, 200)
            for name in found:
                yield f"{'  beyond the hash':18}{name:11}{1000 * (1 / per_cpu[name] - cheap):34.2f}"


def loaded(one: Identity, users: int, projects: int, rounds: int, seconds: float) -> float:
    """The memory of a server once it has been given and asked as much as `measure` asks."""
    seed(one, users, projects)
    pids = family(one.pid)
    for following, status in kinds(one, projects).values():
        load(one.port, pids, following, status=status, connections=WORKERS, seconds=WARMING + rounds * seconds)
    return megabytes(family(one.pid))[0]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=_DEFAULT, help=f"Keystone's (default: {_DEFAULT})")
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--projects", type=int, default=PROJECTS)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server, after one to warm up")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    asked = parser.parse_args()
    programs = environment(asked.environment)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(stackyard(folder / "stackyard", "identity"))
        theirs = stack.enter_context(keystone(programs, folder / "keystone"))
        for each in (ours, theirs):
            began = time.monotonic()
            seed(each, asked.users, asked.projects)
            took = time.monotonic() - began
            print(f"{each.name}: {asked.users} users and {asked.projects} projects made in {took:.0f} s", flush=True)
        for line in measure((ours, theirs), asked.rounds, asked.seconds, asked.projects):
            print(line, flush=True)
        print(f"a look at a hash of cost {USUAL}: {1000 * hash_seconds(USUAL, 5):.0f} ms; of cost {CHEAP}: "
              f"{1000 * hash_seconds(CHEAP, 200):.2f} ms")  # fmt: skip
        together = megabytes(family(ours.pid), family(theirs.pid))
        alone = megabytes(family(ours.pid)) + megabytes(family(theirs.pid))
    for how, (one, other) in (("on one machine", together), ("each on one of its own", alone)):
        print(f"memory {how}: {one:.0f} MB and {other:.0f} MB, {one / other:.3f} of it (0.25 at most is wanted)")
    with tempfile.TemporaryDirectory() as scratch, stackyard(Path(scratch) / "whole", "all") as whole:
        most = loaded(whole, asked.users, asked.projects, asked.rounds, asked.seconds)
    print(f"the whole cloud in one process: {most:.0f} MB, {most / alone[1]:.2f}")


if __name__ == "__main__":
    main()
