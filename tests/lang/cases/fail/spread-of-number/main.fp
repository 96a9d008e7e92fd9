result = { ...5 }
