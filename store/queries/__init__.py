"""Answer questions about the paths of a store, and change nothing."""
