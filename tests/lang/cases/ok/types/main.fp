result = [type(x) for x in [null, true, 1, 1.5, "", [], {}, x => x, ./main.fp, type]]
