area({ width, height = width, unit: string = "cm" }) = "${width * height} ${unit}"
rest({ a, ...others }) = [a, names(others)]
pick = ({ x }) => x
result = [area { width = 3 }, area { width = 3, height = 4, unit = "m" }, rest { a = 1, b = 2, c = 3 }, pick({ x = 5, })]
