f(name: string) = name
result = f(./main.fp)
