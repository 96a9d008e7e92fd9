"""Parts of garbage collection: roots, the selection of what goes, free space, and automatic collection."""
