"""The curated packages, written in the language."""
