result = debian-package("trixie", "dahs")
