"""Logging in by an identity provider's word."""
