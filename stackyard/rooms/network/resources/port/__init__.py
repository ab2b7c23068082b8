"""Ports: places on a network.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.port.resource import PORT

__all__ = ["PORT"]
