"""Containers (Zun): created, run and looked after on the nodes of this cloud."""
