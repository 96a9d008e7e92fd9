result = length([x for x in range(100000) if x / 2 * 2 == x])
