"""Resource classes: what there can be so much of."""

# The declaration first, whoever asks for which part: it names its rules, and they name it.
from stackyard.rooms.placement.resources.resource_class import resource as resource
