version = "1"
url = "https://example.org/${version}"
