name-of(p: package) = p.name
result = name-of("dash")
