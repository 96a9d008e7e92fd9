"""Show errors, progress, tables and other text to people."""
