f(file: path) = file
result = f("./main.fp")
