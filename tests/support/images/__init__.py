"""Images to read, to compare and to forge."""
