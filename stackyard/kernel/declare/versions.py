"""Microversions: which a service offers, which a request asks for, and how the answer says so.

Source: OpenStack API SIG, Microversion Specification.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from stackyard.kernel.errors import BadRequest, NotAcceptable


class Version(NamedTuple):
    """A microversion; compares in numeric order."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def version(text: str) -> Version:
    """Read '1.40' as a Version. Raises ValueError."""
    major, minor = text.split(".")
    return Version(int(major), int(minor))


@dataclass(frozen=True)
class Microversions:
    """The range a service offers; `service_type` is the word its header carries, `default` what no header means."""

    service_type: str
    minimum: Version
    maximum: Version
    default: Version | None = None

    def asked(self, header: str | None) -> Version:
        """The version a request's OpenStack-API-Version header asks for. Raises BadRequest, NotAcceptable."""
        wanted = self._own_entry(header or "")
        if wanted is None:
            return self.default or self.minimum
        if wanted == "latest":
            return self.maximum
        if not re.fullmatch(r"\d{1,6}\.\d{1,6}", wanted):
            raise BadRequest(
                f"API Version String '{wanted}' is of invalid format.",
                remedy=f"It must be of format MajorNum.MinorNum, such as '{self.maximum}'.",
                kind="InvalidAPIVersionString",
            )
        parsed = version(wanted)
        if not self.minimum <= parsed <= self.maximum:
            raise NotAcceptable(
                f"Version {parsed} is not supported by the API.",
                remedy=f"Minimum is {self.minimum} and maximum is {self.maximum}.",
            )
        return parsed

    def _own_entry(self, header: str) -> str | None:
        for entry in header.split(","):
            words = entry.split()
            if len(words) == 2 and words[0].lower() == self.service_type:
                return words[1].lower()
        return None

    def headers(self, used: Version) -> dict[str, str]:
        """What every answer carries, so that the client knows how to read it."""
        return {"OpenStack-API-Version": f"{self.service_type} {used}", "Vary": "OpenStack-API-Version"}
