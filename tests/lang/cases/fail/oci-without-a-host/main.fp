result = oci("base@sha256:abababababababababababababababababababababababababababababababab")
