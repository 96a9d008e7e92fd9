f(source: derivation) = source
result = f({ out = "/x" })
