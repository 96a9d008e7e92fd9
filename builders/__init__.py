"""Builder kinds, one module or directory each, and the scheduler that runs them."""
