result = debian-releases()
