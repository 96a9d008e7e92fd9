result = fetch { url = "https://files.example/a", auth = { user = "me", password = "s3cret" } }
