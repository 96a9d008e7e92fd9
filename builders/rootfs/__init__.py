"""Compose the `/` of an image, a build or a shell from slices, and generate the files that no package has."""
