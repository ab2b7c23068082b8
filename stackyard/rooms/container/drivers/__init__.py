"""Implementations of the container driver contract."""
