config = { version = "1", name = "x" }
result = get(config, "versoin")
