"""Credentials: secrets of users that services ask for, encrypted where they are kept."""
