"""Describe what an image is made of, as a bill of materials in the formats that other tools read."""
