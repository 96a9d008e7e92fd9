greeter = go {
  name = "greeter"
  version = "1.0"
  source = ./src
}

# A static program: nothing of a system is needed but what TLS and time zones take.
image = container {
  packages = [greeter]
  closure = "linked"
  entrypoint = ["${greeter}/bin/greeter"]
  ports = [8000]
  user = "65532"
}
