"""Check this machine and this installation for `fpack doctor`."""
