"""Read Makefiles: what their builds need, where they install, and which one is for this system."""
