result = map-record({ a = 1, b = 2 }, (name, value) => "${name}${value}")
