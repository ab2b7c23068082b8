"""Limits: what a project, or a domain, may have of a service's resource."""
