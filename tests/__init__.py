"""Stackyard's tests: how the tree is built, the kernel, the rooms, the clients."""
