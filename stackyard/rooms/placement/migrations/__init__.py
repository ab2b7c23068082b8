"""Migrations of the placement room."""
