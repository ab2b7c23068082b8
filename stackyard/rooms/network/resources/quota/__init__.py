"""Quotas: what a project may have of each resource."""
