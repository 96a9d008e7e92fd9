layer(old, new) = { a.b = old.a.b + 1 }
