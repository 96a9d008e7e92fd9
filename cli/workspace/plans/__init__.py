"""Record in the lock what the library asks about a project's own packages, and answer from there."""
