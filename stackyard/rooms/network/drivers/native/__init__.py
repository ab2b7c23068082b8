"""The network driver on the host's own kernel: ``driver`` has its promise, the modules beside it one concern each."""

from .driver import NativeDriver

__all__ = ["NativeDriver"]
