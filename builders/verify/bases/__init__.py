"""Check what an image has from the image of another tool, its base."""
