"""The format of caches: indexes, records of trees, and signed statements about realisations."""
