"""Derive from a package's systemd unit how a container runs its server."""
