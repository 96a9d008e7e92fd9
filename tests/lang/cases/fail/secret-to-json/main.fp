result = to-json({ token = secret("TOKEN") })
