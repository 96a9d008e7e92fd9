result = store-name(1.5)
