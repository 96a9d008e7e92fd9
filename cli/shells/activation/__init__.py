"""Use a project's shell from the user's own: shims, the hook, and the variables that it may set."""
