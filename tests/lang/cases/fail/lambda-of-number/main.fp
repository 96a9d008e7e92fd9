result = map([1], 5 => 5)
