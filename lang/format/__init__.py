"""Format source texts: `fpack fmt`."""
