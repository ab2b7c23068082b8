"""Whether this server can do its work: the same facts for load balancers, for `stackyard status` and for metrics."""

from collections.abc import Callable, Mapping

#: Why a part cannot do its work, for people; empty when it can.
Check = Callable[[], str]

#: What a check that fails by itself is worth telling: the cause is in the log of whatever failed.
_LONGEST = 300


class Health:
    """The checks of one server, by the part that they look at. They may take as long as a database takes not to answer,
    and must not raise for what they look for."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = {**checks, "draining": self._draining}
        self._leaving = False

    def drain(self) -> None:
        """From here on the server is about to stop: whoever distributes requests should send it no more."""
        self._leaving = True

    def standing(self) -> dict[str, str]:
        """Every check and what it says: empty when all is well."""
        return {name: _said(check) for name, check in self._checks.items()}

    def troubles(self) -> dict[str, str]:
        """The checks that say that something is not as it must be; none of them: the server is ready."""
        return {name: said for name, said in self.standing().items() if said}

    def _draining(self) -> str:
        return "the server is stopping" if self._leaving else ""


def _said(check: Check) -> str:
    try:
        return check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:_LONGEST]
