result = read-json(./package.json).dependencies
