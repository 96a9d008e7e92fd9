"""Resolve Debian packages: indexes, signatures, the resolver and the lock."""
