"""Guess how a project is built and run, and write the fpack.fp of `fpack init`."""
