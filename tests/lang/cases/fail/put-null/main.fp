result = "${null}"
