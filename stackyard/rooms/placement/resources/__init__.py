"""The resources of the Placement API."""
