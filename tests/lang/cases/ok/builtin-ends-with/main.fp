result = [ends-with("libz.so", ".so"), ends-with("a", "ab")]
