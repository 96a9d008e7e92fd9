r = {
  packages: [a.b]
}
result = r
