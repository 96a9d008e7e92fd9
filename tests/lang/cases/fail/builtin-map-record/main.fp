result = map-record({ a = 1 }, value => value)
