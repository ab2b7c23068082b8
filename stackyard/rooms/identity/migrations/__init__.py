"""The changes of this room's tables, one file each."""
