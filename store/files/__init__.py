"""Trees on disk: write, hash, check and delete them without following a symlink, and sync them."""
