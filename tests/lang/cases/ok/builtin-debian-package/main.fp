p = debian-package("trixie", "dash")
result = [p.name, p.version, p.release]
