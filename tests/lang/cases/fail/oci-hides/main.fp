result = oci(
  "registry.example/base@sha256:abababababababababababababababababababababababababababababababab",
  hides = ["etc"],
)
