f(rows: [[int]]) = rows
result = f([[1], ["2"]])
