"""EC2 credentials, and the tokens that requests signed with them get."""
