"""Containers in a Docker engine: `driver.DockerDriver`, and what it is made of."""
