f(x: any) = 1
result = f(error("never"))
