"""Records, text and file of the lock."""
