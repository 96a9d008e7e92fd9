"""Debian archives, other package indexes, and the packages in them."""
