"""Match the packages of an image with known vulnerabilities, and say which of them the image does not have."""
