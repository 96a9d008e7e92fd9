wait({ seconds: int }) = seconds
result = wait { seconds = "10" }
