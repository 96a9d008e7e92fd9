"""Find the places that keep what locks pin."""
