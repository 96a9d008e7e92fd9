"""The independent check of an image against its manifest. It shares nothing with what writes images and manifests but
the manifest's format."""
