result = debian-releases("trixie")
