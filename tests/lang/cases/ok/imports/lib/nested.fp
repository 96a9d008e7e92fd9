name = "nested"
