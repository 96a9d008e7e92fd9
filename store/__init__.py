"""Store trees, derivations and build results on disk: digests, store paths, the database, locks, garbage collection."""

DAY = 86400  # seconds
LEASE = "lease-"  # prefix of the lock files of leases, and of the names of their temporary roots
