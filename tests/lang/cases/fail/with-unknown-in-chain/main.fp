thing({ name, strip = true }) = { id = name, strip }
library({ name }) = let full = "lib-${name}" in thing { name = full }
result = (library { name = "z" }).with { strpi = false }
