result = [all([1, 2], x => x > 0), all([], x => false), all([1, error("never")], x => x != 1)]
