key = "b c"
result = {
  ${key} = 1
  "x y" = 2
  "${key}!" = 3
  read = [{ "a b" = 1 }."a b", { ${key} = 5 }.${key}, { ${key} = 6 }."${key}", get({ a = 7 }, "a")]
}
