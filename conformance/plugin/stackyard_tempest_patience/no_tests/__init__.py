"""Tempest wants a folder of tests from every plugin; this one has none."""
