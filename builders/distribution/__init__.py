"""Repositories of images and artifacts: container registries, buckets, web servers and directories, by one protocol."""
