"""The independent verifier of an image against its manifest.

It shares only the manifest's format with the code that writes images and manifests.
"""
