"""The evidence of the verifier about packages: signatures, indexes and .debs, of this machine or an archive."""
