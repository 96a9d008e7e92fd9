result = [starts-with("version", "ver"), starts-with("a", ""), starts-with("a", "ab")]
