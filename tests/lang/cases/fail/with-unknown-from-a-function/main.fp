set = { version = "1", url = "x-${version}" }
result = set.with(old => { urls = [old.url] })
