"""What carries frames between the two ends of a link. Knows nothing of what they mean."""

from typing import Protocol


class TransportClosed(ConnectionError):
    """Either end has closed the transport, or it broke."""


class Transport(Protocol):
    """Whole frames, in order, both ways."""

    def send(self, frame: bytes) -> None:
        """Hand a frame over, from any thread. Raises TransportClosed.

        Never waits for the far end to read, or two ends that send would wait for each other: queue what does not fit.
        The queue stays small, because streams hold themselves back.
        """

    def receive(self) -> bytes:
        """The next frame; blocks. One thread receives. Raises TransportClosed once nothing more can come."""

    def close(self) -> None:
        """Close both directions, from any thread, any number of times."""
