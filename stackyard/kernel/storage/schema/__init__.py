"""The kernel's own tables, one file per change. See stackyard.kernel.storage.migrations."""
