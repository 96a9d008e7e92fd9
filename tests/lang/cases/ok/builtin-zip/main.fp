result = [zip([1, 2], ["a", "b", "c"]), zip([], [1])]
