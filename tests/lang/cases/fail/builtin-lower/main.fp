result = lower(null)
