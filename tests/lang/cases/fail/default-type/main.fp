port(number: int = "80") = number
result = port()
