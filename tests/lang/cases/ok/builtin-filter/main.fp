result = [filter([1, 2, 3, 4], x => x > 2), filter([], x => true), filter(["a", null], x => x != null)]
