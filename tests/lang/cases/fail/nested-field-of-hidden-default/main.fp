# What a call takes for a field that it is not given, and does not show, cannot be changed in part.
make({ name, limits = { memory = 1, cpus = 2 } }) = { line = "${name}: ${limits.memory} ${limits.cpus}" }
result = (make { name = "web" }).with { limits.memory = 5 }.line
