result = [fold([1, 2, 3], 10, (a, b) => a - b), fold([], "start", (a, b) => b), fold(["a", "b"], "", (s, x) => s + x)]
