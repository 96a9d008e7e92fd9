"""Run an image in a sandbox and observe it, for `fpack try` and the acceptance of `fpack pack`."""
