"""How the tree is built: import rules, uniform rooms, names. Read from the syntax trees, without importing anything."""
