image: f {
  x = 1
}
