"""Thin wrappers of the outside world: engines, links, files. They hold no policy and know nothing of the cloud."""
