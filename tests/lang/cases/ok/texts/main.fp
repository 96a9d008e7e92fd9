result = {
  parts = split("a, b, c", ", ")
  joined = join(["a", "b"], "/")
  replaced = [replace("a.b.c", ".", "-"), replace-all("a1b22", "[0-9]+", "#")]
  part = [substring("hello", 1, 3), substring("hello", 3, 100)]
  tests = [starts-with("abc", "ab"), ends-with("abc", "bc")]
  trimmed = trim("  x \n")
  cases = [lower("ABC"), upper("abc")]
  matched = [match("v1.22", "v([0-9]+)\\.([0-9]+)"), match("x", "y"), match("x", "x"), match("ab", "(a)(x)?b")]
  numbers = [to-int("42"), to-int("-7"), to-int("0755", 8), to-int("ff", 16), to-int(3.9)]
  strings = [to-string(5), to-string(true), to-string("x")]
  json = to-json({ b = [1, null, true, "ü\""], a = 1.5 })
  parsed = from-json("{\"a\": [1, 2.5, null, true]}")
  store = store-name("1:2.0~rc1 x")
}
