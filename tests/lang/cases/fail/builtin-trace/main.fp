result = trace("before", error("broken"))
