"""Directories that keep the users and groups of domains."""
