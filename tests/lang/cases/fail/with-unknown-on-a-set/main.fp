set = { version = "1", url = "x-${version}" }
result = set.with { verison = "2" }
