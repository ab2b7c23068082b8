"""Tokens: issuing, validating, revoking."""
