result = debian-closure("trixie", "dash")
