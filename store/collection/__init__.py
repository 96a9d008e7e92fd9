"""Parts of garbage collection: roots, the selection of paths to delete, free space, and automatic collection."""
