result = derivation { kind = "x", name = "y", path = "/fpack/store/0123456789abcdfghijklmnpqrsvwxyz-x" }
