"""Name and open images of registries on the command line."""
