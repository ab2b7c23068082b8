"""Traits: what a provider is or can."""

# The declaration first, whoever asks for which part: it names its rules, and they name it.
from stackyard.rooms.placement.resources.trait import resource as resource
