"""Evaluations: the settings that the library reads, and the log of what was read."""
