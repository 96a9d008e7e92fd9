"""Decide which derivations to build, in which order, and run their builders."""
