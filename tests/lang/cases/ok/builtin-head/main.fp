result = [head([1, error("never")]), head([[2]])]
