result = "${../unbound}"
