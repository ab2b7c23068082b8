"""Projects: what owns every other object of the cloud."""
