key = "k"
result = { ${key} = 1, ${"a" + "b"} = 2, ${if true then "c" else "d"} = 3 }
