result = fold([1, 2], null, (a, x) => a + [x])
