result = from-json("{a: 1}")
