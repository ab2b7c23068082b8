"""Images: their attributes, their data and their life.

The declaration is loaded first: it names its rules, and they name it.
"""

from stackyard.rooms.image.resources.image import resource as resource
