"""Resource providers: what a host, a share or a part of one has, and what of it is used."""

# The declaration first, whoever asks for which part: it names its rules, and they name it.
from stackyard.rooms.placement.resources.resource_provider import resource as resource
