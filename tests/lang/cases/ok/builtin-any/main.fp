result = [any([1, 2], x => x == 2), any([], x => true), any([1, error("never")], x => x == 1)]
