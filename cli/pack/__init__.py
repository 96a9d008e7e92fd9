"""Run `fpack pack`."""
