"""Subnet pools: ranges from which subnets are cut.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.subnet_pool.resource import SUBNET_POOL

__all__ = ["SUBNET_POOL"]
