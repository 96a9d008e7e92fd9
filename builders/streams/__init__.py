"""Read and write formats as streams of bytes: ar, tar, JSON, and the codecs that compress layers."""
