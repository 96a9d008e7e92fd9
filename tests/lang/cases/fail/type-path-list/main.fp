f(files: [path]) = files
result = f(["./main.fp"])
