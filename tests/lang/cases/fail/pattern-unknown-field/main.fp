package({ name, version = "1" }) = name
result = package {
  name = "x"
  versoin = "2"
}
