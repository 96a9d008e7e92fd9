"""Find the packages that have a file, by the part of Debian's Contents indexes that builds and programs look for."""
