result = [to-string(5), to-string(1.5), to-string(true), to-string("x")]
