"""Debian as a source of packages: indexes, signatures, the resolver and the lock."""
