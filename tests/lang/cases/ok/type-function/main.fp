f(x: function) = x(1)
result = [f(x => x + 1), f(abs)]
