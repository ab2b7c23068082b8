"""Metadata definitions: the catalog of properties that people may put on images, flavors, volumes and servers.

A namespace holds parts of four kinds: properties, objects (groups of properties), tags, and the resource types that it
is meant for. shapes.py says what each looks like, described.py publishes it, rules.py says what may be done with them,
routes.py where.
"""
