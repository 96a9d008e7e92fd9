"""Store trees, derivations and build results on disk: digests, store paths, the database, locks, garbage collection."""
