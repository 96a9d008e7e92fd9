"""Choose the entries of a directory that belong to a source."""
