"""Which package has a file: Debian's Contents indexes, reduced to the files that builds and programs look for."""
