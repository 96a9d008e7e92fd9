result = [substring(hash("abc"), 0, 8)] + [length(hash("", a)) for a in ["sha256", "sha512", "sha1", "md5"]]
