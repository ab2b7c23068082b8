"""Allocation candidates: every way in which a request could be satisfied now."""
