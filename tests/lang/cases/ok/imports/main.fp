other = import("./lib/other.fp")
again = import(./lib/other.fp)
result = [other.value, again.value, other.doubled(4), other.nested]
