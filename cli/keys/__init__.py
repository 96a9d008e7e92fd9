"""Read and write files of keys."""
