"""Routers, their interfaces and gateways.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.router.resource import ROUTER

__all__ = ["ROUTER"]
