result = to-toml({ a = { b = null } })
