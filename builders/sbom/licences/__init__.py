"""Read Debian's copyright files: which licences they declare, as SPDX expressions."""
