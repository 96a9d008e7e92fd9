result = fetch { url = "https://files.example/a", auth = "s3cret" }
