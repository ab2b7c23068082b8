"""Implementations of the network driver contract."""
