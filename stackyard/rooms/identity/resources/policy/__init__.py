"""Policies: texts that services may fetch, and the endpoints they are meant for."""
