"""The tables of the container room, one file per change."""
