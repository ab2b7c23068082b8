"""Regions, services and endpoints, and the catalog made of them."""
