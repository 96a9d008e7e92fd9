result = fold([1, 2], 0, x => x)
