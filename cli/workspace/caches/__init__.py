"""Open caches of store paths."""
