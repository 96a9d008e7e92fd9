result = (({ x, ...x }) => x) { x = 1 }
