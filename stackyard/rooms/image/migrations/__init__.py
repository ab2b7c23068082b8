"""The tables of the image service, one file per change."""
