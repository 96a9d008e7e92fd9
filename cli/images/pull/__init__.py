"""Pull images of registries into the store and into files."""
