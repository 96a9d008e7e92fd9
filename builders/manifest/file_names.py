"""The names of files about manifests. This module imports nothing: every pack needs it, and few need the format."""

# The file of an archive or layout that lists artifacts about its image, as a registry's referrers API does.
REFERRERS = "fpack-referrers.json"
