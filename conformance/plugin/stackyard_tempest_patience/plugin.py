"""A Tempest plugin without tests: clients wait 0.1 s between two questions, not a whole second.

Tempest's `build_interval` is a whole number, and 0 would ask without a pause. Tempest loads its plugins in every worker
before the first test, so the change made here holds for all of them.
"""

from pathlib import Path
from typing import Any

from tempest.lib.common.rest_client import RestClient
from tempest.test_discover.plugins import TempestPlugin

PAUSE = 0.1


class Patience(TempestPlugin):
    """Caps the pause of every REST client."""

    def load_tests(self) -> tuple[str, str]:
        """An empty folder, and its parent."""
        here = Path(__file__).parent
        return str(here / "no_tests"), str(here.parent)

    def register_opts(self, conf: Any) -> None:
        """No options."""

    def get_opt_lists(self) -> list[Any]:
        """No options."""
        return []


_as_made = RestClient.__init__


def _impatient(self: Any, *given: Any, **named: Any) -> None:
    _as_made(self, *given, **named)
    self.build_interval = min(self.build_interval, PAUSE)


RestClient.__init__ = _impatient
