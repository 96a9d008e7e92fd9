"""Developer shells: build them, cache them so that they start without evaluation, and run them."""
