result = import(5)
