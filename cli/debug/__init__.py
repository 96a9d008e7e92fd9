"""Enter a running container, or an image, that has no shell, with tools beside its own files."""
