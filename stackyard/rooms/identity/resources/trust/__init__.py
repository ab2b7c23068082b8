"""Trusts: a user lets another act with some of their roles on a project, for as long as they like."""
