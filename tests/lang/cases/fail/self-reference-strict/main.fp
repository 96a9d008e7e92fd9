result = { version = version + "-rc" }
