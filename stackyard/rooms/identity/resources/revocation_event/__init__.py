"""Revocation events: which tokens ended before their time, for those who validate tokens by themselves."""
