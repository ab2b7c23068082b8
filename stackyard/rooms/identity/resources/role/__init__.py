"""Roles and what they imply."""
