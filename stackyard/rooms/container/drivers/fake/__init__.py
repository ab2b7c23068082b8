"""Containers in memory: `world.World` is the engine, `driver.FakeDriver` the driver that reaches into it."""
