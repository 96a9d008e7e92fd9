"""Build a new project again and again, and add to its fpack.fp what its builds lack."""
