"""Usages: what is used of providers, and by projects."""
