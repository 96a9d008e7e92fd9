"""Certificates, credentials and tokens for registries."""
