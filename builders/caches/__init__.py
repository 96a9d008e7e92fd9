"""Take store paths from caches instead of building them, push them there, and collect what no machine uses."""
