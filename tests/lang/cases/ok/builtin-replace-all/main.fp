result = [replace-all("a1b22", "[0-9]+", "#"), replace-all("abc", "x*", "-"), replace-all("a.b", "[.]", "\\1")]
