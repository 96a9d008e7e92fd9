"""Servers on the loopback interface: web, buckets, registries and those that others run."""
