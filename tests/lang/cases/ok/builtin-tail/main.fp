result = [tail([error("never"), 2]), tail([1])]
