"""Tell what an image has of its base, and find the manifest that a base has of its own."""
