"""The network room's resources, one entry per API resource."""
