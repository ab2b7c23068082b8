"""OAuth 1.0a: consumers act for users who have let them, with some of their roles on one project."""
