"""Mappings: rules that make local users, groups and projects out of what an identity provider says."""
