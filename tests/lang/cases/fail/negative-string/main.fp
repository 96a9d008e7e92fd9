result = -"a"
