result = ubuntu-releases("trixie")
