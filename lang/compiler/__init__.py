"""Compile syntax trees to Python code, with thunks only where lazy evaluation needs them."""
