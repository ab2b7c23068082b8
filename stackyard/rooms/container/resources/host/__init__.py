"""Hosts: what nodes announced, and which host a container goes to."""

# The declaration first, whoever asks for which part: it names its rules, and they name it.
from stackyard.rooms.container.resources.host import resource as resource
