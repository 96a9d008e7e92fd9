"""Plan and run the sandbox of a shell."""
