"""Fetch, verify, cache, merge and read the package indexes of suites."""
