result = container {
  name = "app"
  packages = []
  configure = true
  base = oci("registry.example/base@sha256:abababababababababababababababababababababababababababababababab")
}.root
