"""Passwords: how they are judged, changed and remembered, and how guessing them is made to take too long."""
