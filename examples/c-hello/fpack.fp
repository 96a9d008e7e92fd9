hello = make {
  name = "hello"
  version = "1.0"
  source = ./src
}

image = container {
  packages = [hello]
  closure = "linked"
  entrypoint = ["${hello}/bin/hello"]
}
