"""Image members: the projects an image is shared with."""
