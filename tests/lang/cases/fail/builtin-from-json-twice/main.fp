result = from-json("{\"a\": 1, \"a\": 2}")
