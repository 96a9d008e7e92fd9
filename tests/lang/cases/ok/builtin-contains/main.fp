result = [contains([1, 2], 2), contains([1], "1"), contains("hello", "ell"), contains("", ""), contains({ a = 1 }, "a"), contains({}, "a")]
