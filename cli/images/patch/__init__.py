"""Make images in registries again with newer packages, from their manifests alone."""
