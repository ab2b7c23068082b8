"""Makes Tempest ask more often; see plugin.py."""
