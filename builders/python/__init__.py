"""Read the locks of Python projects, and resolve their dependencies."""
