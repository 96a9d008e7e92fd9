"""Push images to registries."""
