"""What packages of PyPI, npm, Go, crates.io and RubyGems state of themselves, read from their files."""
