"""The kinds of derivations: one file for each, with its arguments, its version and its builder."""
