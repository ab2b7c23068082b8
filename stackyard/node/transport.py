"""What carries frames between the two ends of a link. Knows nothing of what they mean."""

from typing import Protocol


class TransportClosed(ConnectionError):
    """Either end has closed the transport, or it broke."""


class Transport(Protocol):
    """Whole frames, in order, both ways."""

    def send(self, frame: bytes) -> None:
        """Hand a frame over, from any thread. Raises TransportClosed."""

    def receive(self) -> bytes:
        """The next frame; blocks. One thread receives. Raises TransportClosed once nothing more can come."""

    def close(self) -> None:
        """Close both directions, from any thread, any number of times."""
