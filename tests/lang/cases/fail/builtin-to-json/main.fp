result = to-json({ a = x => x })
