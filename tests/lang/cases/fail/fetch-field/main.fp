result = fetch {
  url = "https://example.org/x"
  sha265 = "abc"
}
