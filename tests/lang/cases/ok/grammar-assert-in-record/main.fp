result = { port = 80, assert port > 0, "positive", assert port < 65536, "small" }
