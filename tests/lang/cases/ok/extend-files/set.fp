version = "1"
url = "https://example.org/x-${version}.tar.gz"
