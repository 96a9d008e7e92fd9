"""Ask a project's build system for its targets, in the sandbox of its build, and correct what was guessed."""
