"""The figures of a newcomer's first minutes, measured through the API of the cloud that OS_CLOUD names.

    first_minutes.py address                 the API's address
    first_minutes.py answer --since MOMENT   seconds from a moment (Unix time) to the first authenticated answer
    first_minutes.py create [--count 5]      from a create request to Running, seen by asking every 10 ms: the median
"""

import argparse
import json
import os
import statistics
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

PATIENCE = 60.0  # seconds
# Ends when asked to: a first process without a handler would ignore the signal, and each delete would wait in vain.
IDLE = ["sh", "-c", "trap exit TERM; sleep 600 & wait"]


class Cloud:
    """One cloud of clouds.yaml, as its user, over plain HTTP: a client program's own start is not the cloud's time."""

    def __init__(self) -> None:
        clouds = yaml.safe_load(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
        self.auth: dict[str, str] = clouds["clouds"][os.environ["OS_CLOUD"]]["auth"]
        self.headers = {"Content-Type": "application/json", "OpenStack-API-Version": "container 1.40"}
        self.containers = ""

    def call(self, method: str, url: str, body: Any = None) -> tuple[Any, Any]:
        """(headers, decoded body); an HTTP error is raised as it is."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self.headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return answer.headers, json.loads(text) if text else None

    def log_in(self) -> None:
        """Get a token by password, and the container service's address from its catalog."""
        auth = self.auth
        domain = {"name": auth.get("user_domain_name", "Default")}
        user = {"name": auth["username"], "password": auth["password"], "domain": domain}
        project = {"name": auth["project_name"], "domain": {"name": auth.get("project_domain_name", "Default")}}
        identity = {"methods": ["password"], "password": {"user": user}}
        url = auth["auth_url"].rstrip("/").removesuffix("/v3") + "/v3/auth/tokens"
        headers, body = self.call("POST", url, {"auth": {"identity": identity, "scope": {"project": project}}})
        self.headers["X-Auth-Token"] = headers["X-Subject-Token"]
        service = next(each for each in body["token"]["catalog"] if each["type"] == "container")
        public = next(each["url"] for each in service["endpoints"] if each["interface"] == "public")
        self.containers = public.rstrip("/").removesuffix("/v1") + "/v1/containers"


def first_answer(cloud: Cloud, since: float) -> str:
    """Ask until a token is issued and a list with it is answered."""
    while True:
        try:
            cloud.log_in()
            cloud.call("GET", cloud.containers)
        except OSError:
            if time.time() > since + PATIENCE:
                raise
            time.sleep(0.01)
        else:
            return f"{time.time() - since:.2f} s"


def create_to_running(cloud: Cloud, count: int) -> str:
    """The median of `count` containers, one after the other, each deleted again."""
    cloud.log_in()
    times = [_one(cloud) for _ in range(count)]
    return f"{statistics.median(times):.2f} s (median of {count}; {min(times):.2f} to {max(times):.2f})"


def _one(cloud: Cloud) -> float:
    began = time.perf_counter()
    request = {"name": f"figure-{uuid4().hex[:8]}", "image": "cirros", "command": IDLE}
    _, container = cloud.call("POST", f"{cloud.containers}?run=true", request)
    url = f"{cloud.containers}/{container['uuid']}"
    try:
        while container["status"] != "Running":
            if container["status"] == "Error" or time.perf_counter() > began + PATIENCE:
                raise SystemExit(f"{url} is {container['status']}: {container['status_reason']}")
            time.sleep(0.01)
            _, container = cloud.call("GET", url)
        return time.perf_counter() - began
    finally:
        _delete(cloud, url)


def _delete(cloud: Cloud, url: str) -> None:
    cloud.call("DELETE", f"{url}?stop=true")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            cloud.call("GET", url)
        except urllib.error.HTTPError as answer:
            if answer.code == 404:
                return
            raise
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=["address", "answer", "create"])
    parser.add_argument("--since", type=float, default=time.time(), metavar="MOMENT")
    parser.add_argument("--count", type=int, default=5)
    asked = parser.parse_args()
    cloud = Cloud()
    if asked.figure == "address":
        print(cloud.auth["auth_url"].rstrip("/").removesuffix("/v3").removesuffix("/identity"))
    else:
        print(first_answer(cloud, asked.since) if asked.figure == "answer" else create_to_running(cloud, asked.count))


if __name__ == "__main__":
    main()
