"""Run the phases of a build, scan its outputs for references, and explain its failures."""
