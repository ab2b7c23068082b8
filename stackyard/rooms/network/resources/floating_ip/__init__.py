"""Floating IPs.

Importing the package loads its declaration first: rules and declaration refer to each other.
"""

from stackyard.rooms.network.resources.floating_ip.resource import FLOATING_IP

__all__ = ["FLOATING_IP"]
