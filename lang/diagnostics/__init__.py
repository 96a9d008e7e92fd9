"""Find the source position of an error, and check source texts without evaluating them."""
