"""Readers of what packages of PyPI, npm, Go, crates.io and RubyGems state of themselves in their files."""
