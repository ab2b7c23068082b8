"""How many addresses each network has and uses."""
