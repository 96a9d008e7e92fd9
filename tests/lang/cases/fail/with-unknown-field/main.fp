package({ name }) = { id = name }
p = package { name = "a" }
result = p.with { nmae = "b" }.id
