result = { name: string, version: string }
