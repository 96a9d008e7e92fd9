"""Read the unmodified files of packages: ELF files, scripts, symlinks, control files, and what they need."""
