"""Application credentials: what a program logs in with instead of its owner's password, for one project."""
