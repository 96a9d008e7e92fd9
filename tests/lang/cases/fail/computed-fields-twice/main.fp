fields(a, b) = { ${a} = 1, other = 2, "${b}" = 3 }
result = fields("x", "x")
