package({ name, version }) = name
result = package { name = "x" }
