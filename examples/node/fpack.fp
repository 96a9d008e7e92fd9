greeter = node {
  name = "greeter"
  version = "1.0.0"
  source = ./src
  lock = ./src/package-lock.json
  check = "node --check server.js"
  meta = { licence = "Apache-2.0" }
}

image = container {
  packages = [greeter]
  closure = "linked"
  entrypoint = ["${greeter}/bin/greeter"]
  ports = [8000]
  user = "www-data"
}
