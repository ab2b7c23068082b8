"""Domains: the outermost owners of users, groups and projects."""
