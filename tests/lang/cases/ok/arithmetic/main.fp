# Whole numbers divide to whole numbers, towards zero.
result = [1 + 2 * 3, (1 + 2) * 3, 7 / 2, -7 / 2, 7.0 / 2, 10 - 3 - 2, -(3), 2 * -3, 1.5 + 1, 1e3]
