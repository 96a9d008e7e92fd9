result = from-json("{\"a\": [1, 2.5, null, true, \"x\\u00e9\"], \"b c\": {}}")
