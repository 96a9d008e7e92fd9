result = "${source(./main.fp, { keep = ["*.c"] })}"
