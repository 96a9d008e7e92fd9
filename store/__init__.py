"""The store: trees, digests, store paths, derivations as data, the database, locks and garbage collection."""
