"""Builder kinds, one module or folder each, and the scheduler that runs them."""
