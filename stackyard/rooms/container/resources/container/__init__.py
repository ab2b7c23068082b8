"""Containers: their declaration, rules, queries and durable steps."""

# The declaration first, whoever asks for which part: it names its rules, and they name it.
from stackyard.rooms.container.resources.container import resource as resource
