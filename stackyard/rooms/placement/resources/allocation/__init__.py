"""Allocations: what consumers have claimed of providers."""
