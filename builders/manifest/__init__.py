"""The manifest of an image: every file, its origin, and the derivations that built it."""
