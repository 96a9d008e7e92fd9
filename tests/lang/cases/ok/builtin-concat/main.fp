result = [concat(), concat([1]), concat([1], [], [2, 3])]
