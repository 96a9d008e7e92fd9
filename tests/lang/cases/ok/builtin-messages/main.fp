result = [trace("a trace", 1), warn("a warning", 2)]
