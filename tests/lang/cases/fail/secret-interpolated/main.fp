result = "Bearer ${secret("TOKEN")}"
