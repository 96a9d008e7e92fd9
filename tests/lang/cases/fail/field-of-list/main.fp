result = [1, 2].first
