result = "a" / "b"
