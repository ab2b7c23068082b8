"""A server's premises for tests: a database, an authority, a listener on loopback; and machines that join."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stackyard.kernel.storage import branches
from stackyard.kernel.storage.database import Database
from stackyard.node.agent import Agent
from stackyard.node.authority import LIFETIME, Authority, ServerList
from stackyard.node.home import Home
from stackyard.node.listener import Listener
from stackyard.node.server import ConnectedNodes
from stackyard.testing.cloud import free_port
from tests.node.bench import RealBench
from tests.node.conftest import facts
from tests.node.workbench import Workbench

CONTRACTS: dict[str, type] = {"workbench": Workbench}


class Time:
    """A clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Premises:
    """One server of a cloud, as far as nodes are concerned; `stop` and `start` play its restart."""

    database: Database
    address: str
    lifetime: timedelta
    time: Time = field(default_factory=Time)
    agents: list[Agent] = field(default_factory=list)

    def start(self) -> None:
        self.authority = Authority(self.database, self.time.now, self.lifetime)
        self.nodes = ConnectedNodes(CONTRACTS, {"servers": (ServerList, self.authority)}, grace=0.3)
        self.listener = Listener(self.address, self.authority, self.nodes, every=0.1)
        self.listener.start()

    def stop(self) -> None:
        self.listener.close()
        self.nodes.close()

    def token(self, good_for: timedelta = timedelta(minutes=10)) -> str:
        return self.authority.new_token(good_for)

    def joined(self, folder: Path, name: str = "yard1") -> Home:
        home = Home(folder / name)
        home.join(self.address, self.token(), name)
        return home

    def agent(self, home: Home, bench: RealBench | None = None) -> Agent:
        made = Agent(
            home, {"workbench": bench or RealBench()}, CONTRACTS, facts, lambda states: None, every=0.1
        )
        self.agents.append(made)
        made.start()
        return made

    def driver(self, name: str = "yard1") -> Any:
        return self.nodes.driver(name, "workbench")


def new_database(folder: Path, name: str = "cloud") -> Database:
    made = Database(f"sqlite:///{folder}/{name}.db")
    branches.upgrade_branches(made, [branches.kernel_branch()])
    return made


@contextmanager
def premises(database: Database, lifetime: timedelta = LIFETIME) -> Iterator[Premises]:
    made = Premises(database, f"127.0.0.1:{free_port()}", lifetime)
    made.start()
    try:
        yield made
    finally:
        for agent in made.agents:
            agent.close()
        made.stop()
