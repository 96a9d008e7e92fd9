"""Compare two images, locks or evaluations, and find images that hold a package."""
