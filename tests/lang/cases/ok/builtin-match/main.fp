result = [match("libz-1.3", "(.*)-([0-9.]+)"), match("abc", "[a-z]+"), match("abc", "[0-9]+"), match("b", "(a)?b")]
