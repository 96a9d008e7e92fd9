version = "1"
result = { version = version + "-rc" }
