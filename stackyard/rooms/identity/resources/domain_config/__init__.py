"""Configurations of domains: where a domain's users are kept, and how they are found there."""
