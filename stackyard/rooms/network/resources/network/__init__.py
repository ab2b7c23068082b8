"""Networks.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.network.resource import NETWORK

__all__ = ["NETWORK"]
