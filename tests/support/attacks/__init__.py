"""Attackers, and what they attack."""
