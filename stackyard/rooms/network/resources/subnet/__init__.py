"""Subnets: ranges of addresses on a network.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.subnet.resource import SUBNET

__all__ = ["SUBNET"]
