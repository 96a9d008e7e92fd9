"""Read the locks of Node projects, resolve their dependencies, and lay out node_modules."""
