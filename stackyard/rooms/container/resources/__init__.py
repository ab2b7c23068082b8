"""The resources of the container API."""
