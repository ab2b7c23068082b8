"""A node in a process of its own: its drivers, connected to every server, its certificate renewed in time."""

import logging
import threading
from collections.abc import Callable, Mapping

import msgspec

from stackyard.kernel.observe.observer import Observer
from stackyard.kernel.steps import Transient
from stackyard.node.authority import Denied, ServerList
from stackyard.node.dialler import Dialler
from stackyard.node.home import Home
from stackyard.node.messages import HostFacts
from stackyard.node.runtime import Node

log = logging.getLogger(__name__)


class Agent:
    """The node of a host that has joined. changed: see Dialler. every: seconds between looks at the list of servers and
    at the certificate's end."""

    def __init__(
        self,
        home: Home,
        drivers: Mapping[str, object],
        contracts: Mapping[str, type],
        facts: Callable[[], HostFacts],
        changed: Callable[[dict[str, str]], None],
        *,
        every: float = 20.0,
        observer: Observer | None = None,
    ) -> None:
        name = home.record().name

        def named() -> HostFacts:
            # The cloud knows the host by the name it has joined with.
            return msgspec.structs.replace(facts(), hostname=name)

        self.node = Node(name, drivers, contracts, named, {"servers": ServerList}, observer=observer)
        self._home = home
        self._every = every
        self._closed = threading.Event()
        self._dialler = Dialler(
            self.node, home.connect, home.record().servers, changed, every=every, remember=home.servers_are
        )

    def start(self) -> None:
        """Begin to serve."""
        self.node.start()
        self._dialler.start()
        threading.Thread(target=self._renew, name="renew the certificate", daemon=True).start()

    def close(self) -> None:
        """Serve no more. What runs on the host goes on."""
        self._closed.set()
        self._dialler.close()
        self.node.close()

    def states(self) -> dict[str, str]:
        """See Dialler."""
        return self._dialler.states()

    def _renew(self) -> None:
        while not self._closed.is_set():
            try:
                if self._home.renew_when_due():
                    log.info("the certificate was renewed, until %s", self._home.expires_at())
            except (Denied, Transient) as failure:
                log.warning("the certificate cannot be renewed: %s", failure)
            except Exception:
                log.exception("the certificate cannot be renewed")
            self._closed.wait(self._every)
