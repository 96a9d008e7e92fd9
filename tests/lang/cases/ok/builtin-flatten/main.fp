result = [flatten([]), flatten([[1], [], [2, [3]]])]
