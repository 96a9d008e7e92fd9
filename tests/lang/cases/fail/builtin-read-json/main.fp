result = read-json(./package.json)
