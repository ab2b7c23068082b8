"""The resources of the Identity API: a module or a folder each."""
