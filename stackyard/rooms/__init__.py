"""What this cloud offers: a folder per service, named by what it offers."""
