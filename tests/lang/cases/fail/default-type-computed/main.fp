standard = "80"
port({ number: int = standard }) = number
result = port {}
