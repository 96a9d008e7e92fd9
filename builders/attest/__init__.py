"""Make and check statements about images: keys, signatures, provenance, and the attestations of rebuilders."""
