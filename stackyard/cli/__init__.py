"""The operator's commands. Light to start: what is heavy is imported by the server only."""
