"""Keys, provenance and signatures of images, with their files."""
