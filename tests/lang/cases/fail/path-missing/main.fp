result = "${./nothing}"
