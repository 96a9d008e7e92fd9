result = { inner = { f(x, y = 2) = x + y }.f(1), none = { g() = 5 }.g() }
