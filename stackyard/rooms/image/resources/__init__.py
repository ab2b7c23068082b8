"""The resources of the image API."""
