set = { a = 1, b = a }
result = set.with(old => if old.b == 1 then { c = 1 } else {})
