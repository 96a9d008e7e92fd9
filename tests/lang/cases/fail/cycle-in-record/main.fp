result = {
  version = "${url}"
  url = "x/${version}"
}.url
