"""Registered limits: what every project may have of a service's resource unless a limit says otherwise."""
